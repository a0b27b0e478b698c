"""Intervals: percentile bootstrap over test examples, and Student's t over seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sslkit import rng
from sslkit.probes import confusion, metrics
from sslkit.probes.confusion import Floats
from sslkit.types import Array

#: Resamples of an interval.
RESAMPLES = 1000
#: Cells of one chunk of resamples: bounds memory for large test sets.
_CELLS = 2_000_000
#: How often a resample that lacks a class is drawn again before it is taken as it is.
_ROUNDS = 50


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Metrics with intervals.

    Attributes:
        examples: number of test examples.
        redrawn: resamples that lacked a class and were drawn again.
    """

    metrics: dict[str, Interval]
    examples: int
    redrawn: int


def bootstrap(
    names: Sequence[str],
    truth: Array,
    predicted: Floats,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Metrics with 95% percentile intervals (Efron & Tibshirani 1993, chapter 13).

    Examples are drawn with replacement. The draws depend on seed and ``truth`` only, so that
    several models are judged on the same resamples.

    Args:
        truth: class numbers or targets, [examples].
        predicted: probabilities [examples, classes] or predicted targets [examples].
    """
    point = metrics.compute(names, truth, predicted)
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    redrawn = 0
    classes = predicted.shape[1] if predicted.ndim == 2 else 0
    for weights, again in _resamples(truth, classes, seed, resamples):
        redrawn += again
        for name, values in metrics.compute(names, truth, predicted, weights).items():
            drawn[name].append(values)
    found = {
        name: _percentiles(float(point[name][0]), np.concatenate(drawn[name])) for name in names
    }
    return Estimate(found, len(truth), redrawn)


def of_mean(values: Floats, seed: int, resamples: int = RESAMPLES) -> Interval:
    """The mean of values [examples] with its 95% percentile interval over examples."""
    drawn = [
        weights @ values / len(values) for weights, _ in _resamples(values, 0, seed, resamples)
    ]
    return _percentiles(float(values.mean()), np.concatenate(drawn))


def difference(
    name: str,
    truth: Array,
    first: Floats,
    second: Floats,
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval:
    """A metric of ``first`` minus that of ``second``, both judged on the same resamples.

    Narrower than two intervals side by side suggest: examples that are hard for one model are
    hard for the other one too.
    """
    metric = metrics.METRICS[name]
    whole = np.ones((1, len(truth)))
    value = metric(truth, first, whole) - metric(truth, second, whole)
    classes = first.shape[1] if first.ndim == 2 else 0
    drawn = [
        metric(truth, first, weights) - metric(truth, second, weights)
        for weights, _ in _resamples(truth, classes, seed, resamples)
    ]
    return _percentiles(float(value[0]), np.concatenate(drawn))


def of_tables(
    names: Sequence[str], tables: Floats, seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """Metrics of all units of all records with their 95% percentile intervals over records.

    Units of a record depend on each other: records are drawn, each with all of its units. The
    draws depend on seed and number of records only.

    Args:
        names: of ``probes.confusion``.
        tables: of confusion of each record, [records, classes, classes].
    """
    whole = tables.sum(axis=0)[None]
    drawn = _summed(tables, seed, resamples)
    found = {
        name: _percentiles(float(confusion.METRICS[name](whole)[0]), confusion.METRICS[name](drawn))
        for name in names
    }
    return Estimate(found, len(tables), 0)


def difference_of_tables(
    name: str,
    first: Floats,
    second: Floats,
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval:
    """A metric of the first tables minus that of the second, both on the same resamples."""
    metric = confusion.METRICS[name]
    value = metric(first.sum(axis=0)[None]) - metric(second.sum(axis=0)[None])
    drawn = metric(_summed(first, seed, resamples)) - metric(_summed(second, seed, resamples))
    return _percentiles(float(value[0]), drawn)


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean of independent runs with Student's 95% interval; NaN ends for one run."""
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return Interval(mean, float(mean - half), float(mean + half))


def _percentiles(value: float, drawn: Floats) -> Interval:
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(defined, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _summed(tables: Floats, seed: int, resamples: int) -> Floats:
    """The table of each resample of the records, [resamples, classes, classes]."""
    flat = tables.reshape(len(tables), -1)
    drawn = _resamples(np.arange(len(tables)), 0, seed, resamples)
    summed = np.concatenate([weights @ flat for weights, _ in drawn])
    return summed.reshape(-1, *tables.shape[1:])


def _resamples(truth: Array, classes: int, seed: int, count: int) -> Iterator[tuple[Floats, int]]:
    """Counts of each example, [chunk, examples], and how many rows were drawn again."""
    size = len(truth)
    generator = np.random.default_rng(int(rng.key(seed, "bootstrap")))
    present = np.unique(truth) if classes else np.empty(0, np.int64)
    chunk = max(1, _CELLS // max(size, 1))
    for start in range(0, count, chunk):
        weights = _draw(generator, min(chunk, count - start), size)
        redrawn = 0
        for _ in range(_ROUNDS if classes else 0):
            held = metrics.sums(truth, classes, weights)[:, present]
            lacking = np.flatnonzero((held == 0).any(axis=1))
            if not len(lacking):
                break
            weights[lacking] = _draw(generator, len(lacking), size)
            redrawn += len(lacking)
        yield weights, redrawn


def _draw(generator: np.random.Generator, rows: int, size: int) -> Floats:
    cells = generator.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
    return np.bincount(cells.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)
