"""Corpora with planted groups of words or k-mers, and how well vectors find an intruder in them.

A sentence has a topic: half of its words, or a fifth of its k-mers, are of the topic's group. Of
three words of one group and one of another the intruder is the one that is least like the rest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

K = 6
SENTENCE, OFF_TOPIC = 20, 0.15
_TRIALS = 4000

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Groups of ids, [groups, members], and a corpus of sentences, [sentences, words], of ids."""

    groups: Ids
    sentences: Ids
    size: int


def words(sentences: int, seed: int = 1) -> Corpus:
    """20,200 words by Zipf's laws: 200 of no group and 1000 groups of 20."""
    rng = np.random.default_rng(seed)
    groups = 200 + np.arange(20_000).reshape(1000, 20)
    shape = (sentences, SENTENCE)
    topic = np.where(
        rng.random(shape) < OFF_TOPIC,
        rng.choice(1000, shape, p=_zipf(1000, 0.7)),
        rng.choice(1000, (sentences, 1), p=_zipf(1000, 0.7)),
    )
    own = groups[topic, rng.choice(20, shape, p=_zipf(20, 0.7))]
    other = rng.choice(200, shape, p=_zipf(200, 1.0))
    return Corpus(groups, np.where(rng.random(shape) < 0.5, own, other), 20_200)


def kmers(bases: int, seed: int = 1) -> Corpus:
    """Words of six bases, numbered in base 4: 200 groups of 8, and all 4096 by chance."""
    groups = np.random.default_rng(0).permutation(4**K)[:1600].reshape(200, 8)
    rng = np.random.default_rng(seed)
    shape = (bases // K // SENTENCE, SENTENCE)
    own = groups[rng.integers(0, 200, (shape[0], 1)), rng.integers(0, 8, shape)]
    drawn = rng.integers(0, 4**K, shape)
    return Corpus(groups, np.where(rng.random(shape) < 0.2, own, drawn), 4**K)


def genome(corpus: Corpus) -> npt.NDArray[np.uint8]:
    """The bases of a corpus of k-mers; up to five more behind each sentence shift the frame."""
    rng = np.random.default_rng(3)
    letters = corpus.sentences[..., None] // 4 ** np.arange(K - 1, -1, -1) % 4
    rows = np.concatenate(
        [letters.reshape(len(letters), -1), rng.integers(0, 4, (len(letters), K - 1))], axis=1
    )
    kept = np.arange(K - 1) < rng.integers(0, K, (len(rows), 1))
    inside = np.concatenate([np.ones((len(rows), K * SENTENCE), np.bool_), kept], axis=1)
    return rows[inside].astype(np.uint8)


def spelled(number: int) -> str:
    """The letters of a k-mer."""
    return "".join("ACGT"[number // 4**place % 4] for place in reversed(range(K)))


def accuracy(vectors: npt.NDArray[np.float32], groups: Ids) -> float:
    """The share of intruders that are found; a quarter by chance."""
    rng = np.random.default_rng(2)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    found = 0
    for _ in range(_TRIALS):
        group, other = rng.choice(len(groups), 2, replace=False)
        chosen = [*rng.choice(groups[group], 3, replace=False), rng.choice(groups[other])]
        found += int((unit[chosen] @ unit[chosen].T).sum(1).argmin() == 3)
    return found / _TRIALS


def _zipf(size: int, power: float) -> npt.NDArray[np.float64]:
    weight = 1 / np.arange(1, size + 1) ** power
    found: npt.NDArray[np.float64] = weight / weight.sum()
    return found
