"""Metrics of predictions, for many weightings of the same examples at once.

A bootstrap resample is a row of counts: how often each example was drawn. Every metric here
takes such rows and sorts the examples once for all of them, which makes a thousand resamples
cost little more than one. All functions take

    truth      class numbers int64 or targets float64, [examples]
    predicted  probabilities [examples, classes] or predicted targets [examples], float64
    weights    counts, [resamples, examples]

and return one value per resample, [resamples] float64; NaN where a metric is not defined (one
class only, a constant target). Definitions agree with scikit-learn's and SciPy's.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.probes import confusion
from sslkit.probes.confusion import Floats, ratio
from sslkit.types import Array

Metric: TypeAlias = Callable[[Array, Floats, Floats], Floats]


def compute(
    names: Sequence[str], truth: Array, predicted: Floats, weights: Floats | None = None
) -> dict[str, Floats]:
    """The named metrics, one value per row of ``weights``; without them one value."""
    if weights is None:
        weights = np.ones((1, len(truth)))
    return {name: METRICS[name](truth, predicted, weights) for name in names}


def auc(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve; with more than two classes the mean of one against the rest."""
    if predicted.shape[1] == 2:
        return _auc(truth == 1, predicted[:, 1], weights)
    each = np.stack([_auc(truth == c, predicted[:, c], weights) for c in range(predicted.shape[1])])
    defined = np.isfinite(each)
    return ratio(np.where(defined, each, 0).sum(axis=0), defined.sum(axis=0))


def average_precision(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Precision at every threshold, weighted by the gain in recall; class 1 against class 0."""
    positive, negative = _by_score(truth == 1, -predicted[:, 1], weights)
    found, wrong = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    precision = np.nan_to_num(ratio(found, found + wrong))
    return ratio((positive * precision).sum(axis=1), found[:, -1])


def mcc(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Matthews correlation (Gorodkin 2004 for many classes); 0 where predictions are constant."""
    return confusion.mcc(_confusion(truth, predicted, weights))


def accuracy(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Share of examples whose most probable class is the true one."""
    return ratio(weights @ (decide(predicted) == truth), weights.sum(axis=1))


def f1(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Harmonic mean of precision and recall of class 1."""
    return np.nan_to_num(confusion.f1_by_class(_confusion(truth, predicted, weights))[:, 1])


def macro_f1(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Mean F1 over the classes that are true or predicted at least once."""
    return confusion.macro_f1(_confusion(truth, predicted, weights))


def r2(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Share of the target's variance that is explained; below 0 if worse than its mean."""
    centred = truth - truth.mean()
    total = weights.sum(axis=1)
    spread = weights @ centred**2 - (weights @ centred) ** 2 / total
    spread[spread <= 1e-12 * total * (centred**2).mean()] = 0
    return 1 - ratio(weights @ (truth - predicted) ** 2, spread)


def rmse(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Root of the mean squared error, in units of the target."""
    return np.sqrt(ratio(weights @ (truth - predicted) ** 2, weights.sum(axis=1)))


def mae(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Mean absolute error, in units of the target."""
    return ratio(weights @ np.abs(truth - predicted), weights.sum(axis=1))


def pearson(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Linear correlation."""
    return _correlation(
        np.broadcast_to(truth, weights.shape), np.broadcast_to(predicted, weights.shape), weights
    )


def spearman(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Correlation of ranks; equal values share the mean of their ranks."""
    return _correlation(_ranks(truth, weights), _ranks(predicted, weights), weights)


METRICS: dict[str, Metric] = {
    metric.__name__: metric
    for metric in (
        auc, average_precision, mcc, accuracy, f1, macro_f1, r2, spearman, pearson, rmse, mae,
    )
}  # fmt: skip


def decide(predicted: Floats) -> npt.NDArray[np.int64]:
    """The most probable class of each example; of equal ones the first, [examples]."""
    best: npt.NDArray[np.int64] = predicted.argmax(axis=1)
    return best


def sums(codes: Array, size: int, weights: Floats) -> Floats:
    """Total weight of each code below ``size``, [resamples, size]."""
    order, starts = _runs(codes)
    out = np.zeros((len(weights), size))
    out[:, codes[order[starts]]] = np.add.reduceat(weights[:, order], starts, axis=1)
    return out


def _runs(values: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Order that sorts ``values``, and where in that order each run of equal ones begins."""
    order = np.argsort(values, kind="stable").astype(np.int64)
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]).astype(np.int64)
    return order, starts


def _by_score(
    positive: npt.NDArray[np.bool_], score: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Weight of positives and negatives at every distinct score, ascending."""
    order, starts = _runs(score)
    ordered = weights[:, order]
    both = np.add.reduceat(ordered, starts, axis=1)
    true = np.add.reduceat(ordered * positive[order], starts, axis=1)
    return true, both - true


def _auc(positive: npt.NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    true, false = _by_score(positive, score, weights)
    below = np.cumsum(false, axis=1) - false / 2
    return ratio((true * below).sum(axis=1), true.sum(axis=1) * false.sum(axis=1))


def _confusion(truth: Array, predicted: Floats, weights: Floats) -> Floats:
    """Weight by true and by predicted class, [resamples, classes, classes]."""
    classes = predicted.shape[1]
    table = sums(truth * classes + decide(predicted), classes**2, weights)
    return table.reshape(-1, classes, classes)


def _ranks(values: Array, weights: Floats) -> Floats:
    """Mean rank of each example among the drawn ones, [resamples, examples]."""
    order, starts = _runs(values)
    held = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(held, axis=1) - (held - 1) / 2
    run = np.zeros(len(values), np.int64)
    run[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    return middle[:, run]


def _correlation(a: Floats, b: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    a = a - ratio((weights * a).sum(axis=1, keepdims=True), total)
    b = b - ratio((weights * b).sum(axis=1, keepdims=True), total)
    spread = (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
    # What is left of a constant after its mean is taken off is rounding, not spread.
    constant = (_peak(a, weights) < 1e-12) | (_peak(b, weights) < 1e-12)
    spread[constant] = 0
    return ratio((weights * a * b).sum(axis=1), np.sqrt(spread))


def _peak(values: Floats, weights: Floats) -> Floats:
    peak: Floats = np.abs(values * (weights > 0)).max(axis=1)
    return peak
