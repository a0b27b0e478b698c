"""k nearest neighbours by cosine similarity of centred features.

A class's probability is (votes + its share of the training examples) / (k + 1), so that none is
ever 0; a target is the mean of the neighbours'. k is chosen on the training examples, each
predicted from those outside its own group of duplicates.
"""

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.probes.training import Answer, Floats, Training, loss

COUNTS = (1, 3, 5, 11, 21, 51)
#: Training examples that vote on k at most: their number squared is the cost.
_VOTERS = 5000
_ROWS = 512


def answer(training: Training, features: Floats) -> Answer:
    """Choose k on ``training``, predict for ``features`` [examples, features]."""
    mean = training.features.mean(axis=0)
    known, asked = _directions(training.features - mean), _directions(features - mean)
    counts = [k for k in COUNTS if k < len(known)] or [1]
    chosen = counts[0]
    if len(np.unique(training.groups)) > 1:
        generator = np.random.default_rng(int(rng.key(training.seed, "neighbours")))
        voters = np.sort(generator.permutation(len(known))[:_VOTERS])
        near = _nearest(known[voters], known, counts[-1], training.groups[voters], training.groups)
        losses = [loss(training.values[voters], _vote(training, near[:, :k])) for k in counts]
        chosen = counts[int(np.argmin(losses))]
    near = _nearest(asked, known, chosen)
    return Answer(_vote(training, near), {"k": chosen})


def _directions(features: Floats) -> npt.NDArray[np.float32]:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = np.zeros(features.shape, np.float32)
    np.divide(features, length, out=unit, where=length > 0, casting="same_kind")
    return unit


def _nearest(
    asked: npt.NDArray[np.float32],
    known: npt.NDArray[np.float32],
    count: int,
    asked_groups: npt.NDArray[np.int64] | None = None,
    known_groups: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Positions of the ``count`` most similar of ``known``, nearest first, [asked, count].

    -1 stands where there are fewer outside the group. Of equally similar ones the first wins.
    """
    parts = []
    for start in range(0, len(asked), _ROWS):
        similar = asked[start : start + _ROWS] @ known.T
        if asked_groups is not None and known_groups is not None:
            similar[asked_groups[start : start + _ROWS, None] == known_groups] = -np.inf
        order = np.argsort(-similar, axis=1, kind="stable")[:, :count]
        parts.append(np.where(np.isneginf(np.take_along_axis(similar, order, 1)), -1, order))
    return np.concatenate(parts).astype(np.int64)


def _vote(training: Training, near: npt.NDArray[np.int64]) -> Floats:
    """Predictions of neighbours [asked, k]: probabilities [asked, classes] or targets [asked]."""
    counts = near >= 0
    held = training.values[near]
    total = counts.sum(axis=1)
    if not training.classes:
        mean: Floats = (held * counts).sum(axis=1) / np.maximum(total, 1)
        mean[total == 0] = training.values.mean()
        return mean
    votes = np.stack([((held == c) & counts).sum(axis=1) for c in range(training.classes)], axis=1)
    share: Floats = (votes + training.priors()) / (total[:, None] + 1)
    return share
