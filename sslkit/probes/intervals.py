"""95% intervals: bootstrap over test examples or records, and Student's t over seeds.

Percentiles of resamples are too narrow for few examples, and of no width where all are right.
Here resamples give the spread of a metric alone, and its interval has the form of the metric:

- one with two ends (accuracy, AUC, correlations) has Wilson's interval (1927) of a share of as
  many examples as have this spread (Korn & Graubard 1998), mapped to its ends;
- errors have an interval on the scale of their logarithm, R2 on that of the unexplained share;
- a difference of two models lies between the ends of a difference, or is symmetric without them.

Student's t stands for the normal. Metrics that need every class (AUC) are resampled within
classes, all others without regard to them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from sslkit.probes import confusion, metrics, resampling
from sslkit.probes.confusion import Floats
from sslkit.types import Array

#: Resamples of an interval.
RESAMPLES = 1000
#: Metrics that are not defined without an example of every class.
_NEED_EVERY_CLASS = frozenset({"auc"})
#: Metrics whose spread is, above all, that of the rarest class.
_RARE = frozenset({"auc", "average_precision"})
#: Metrics from -1 to 1; all others that have two ends go from 0 to 1.
_SIGNED = frozenset({"mcc", "pearson", "spearman"})
_ERRORS = frozenset({"rmse", "mae"})
_UNBOUNDED = frozenset({"r2", *_ERRORS})


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Metrics with intervals, of so many test examples."""

    metrics: dict[str, Interval]
    examples: int


@dataclass(frozen=True)
class _Spread:
    """A metric, its values on resamples, and what they rest upon.

    Attributes:
        freedom: degrees of freedom of the spread.
        examples: that a value without spread rests upon.
    """

    value: float
    drawn: Floats
    freedom: float
    examples: int

    @property
    def deviation(self) -> float:
        """Of the values that are defined; NaN where there are none."""
        defined = self.drawn[np.isfinite(self.drawn)]
        return float(defined.std()) if len(defined) else float("nan")

    @property
    def quantile(self) -> float:
        """Deviations from the value to the ends."""
        return float(stats.t.ppf(0.975, max(self.freedom, 1)))


def bootstrap(
    names: Sequence[str],
    truth: Array,
    predicted: Floats,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Metrics with 95% intervals.

    The draws depend on seed and ``truth`` only, so that several models are judged on the same
    resamples.

    Args:
        truth: class numbers or targets, [examples].
        predicted: probabilities [examples, classes] or predicted targets [examples].
    """
    point = metrics.compute(names, truth, predicted)
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    for within in (True, False):
        some = [name for name in names if (name in _NEED_EVERY_CLASS) is within]
        strata = truth if within else np.zeros(len(truth))
        for weights in resampling.draw(strata, seed, resamples) if some else ():
            for name, values in metrics.compute(some, truth, predicted, weights).items():
                drawn[name].append(values)
    estimates = {
        name: _interval(name, _spread(name, truth, float(point[name][0]), drawn[name]))
        for name in names
    }
    return Estimate(estimates, len(truth))


def of_mean(
    values: Floats, seed: int, resamples: int = RESAMPLES, *, signed: bool = False
) -> Interval:
    """The mean of values [examples] with its 95% interval over examples.

    Args:
        values: from 0 to 1, or from -1 to 1 where ``signed``.
    """
    if not len(values):
        return Interval(*[float("nan")] * 3)
    drawn = [
        weights @ values / len(values)
        for weights in resampling.draw(np.zeros(len(values)), seed, resamples)
    ]
    spread = _Spread(float(values.mean()), np.concatenate(drawn), len(values) - 1, len(values))
    return _bounded(spread, -1.0 if signed else 0.0, 1.0)


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
    strata = truth if name in _NEED_EVERY_CLASS else np.zeros(len(truth))
    drawn = [
        metric(truth, first, weights) - metric(truth, second, weights)
        for weights in resampling.draw(strata, seed, resamples)
    ]
    return _difference(name, _spread(name, truth, float(value[0]), drawn))


def of_tables(
    names: Sequence[str], tables: Floats, seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """Metrics of all units of all records with their 95% intervals over records.

    Units of a record depend on each other: records are drawn, each with all of its units. The
    draws depend on seed and number of records only.

    Args:
        names: of ``probes.confusion``.
        tables: of confusion of each record, [records, classes, classes].
    """
    whole = tables.sum(axis=0)[None]
    drawn = _summed(tables, seed, resamples)
    estimates = {}
    for name in names:
        metric = confusion.METRICS[name]
        spread = _Spread(float(metric(whole)[0]), metric(drawn), len(tables) - 1, len(tables))
        estimates[name] = _interval(name, spread)
    return Estimate(estimates, len(tables))


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
    return _difference(name, _Spread(float(value[0]), drawn, len(first) - 1, len(first)))


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean of independent runs with Student's 95% interval; NaN ends for one run."""
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return Interval(mean, float(mean - half), float(mean + half))


def _spread(name: str, truth: Array, value: float, drawn: Sequence[Floats]) -> _Spread:
    """Of a metric of examples: what it rests upon follows from its name."""
    by_class = name not in {"accuracy", *_UNBOUNDED, "pearson", "spearman"}
    rarest = int(np.unique(truth, return_counts=True)[1].min()) if by_class else len(truth)
    freedom = resampling.freedom(truth) if name in _RARE else len(truth) - 1.0
    return _Spread(value, np.concatenate(drawn), freedom, rarest)


def _interval(name: str, spread: _Spread) -> Interval:
    """The interval of a metric."""
    if name in _ERRORS:
        return _of_logarithm(spread, spread.value, spread.drawn, lambda error: error)
    if name == "r2":
        return _of_logarithm(spread, 1 - spread.value, 1 - spread.drawn, lambda share: 1 - share)
    return _bounded(spread, -1.0 if name in _SIGNED else 0.0, 1.0)


def _difference(name: str, spread: _Spread) -> Interval:
    """The interval of a metric of one model less that of another."""
    if name in _UNBOUNDED:
        half = spread.quantile * spread.deviation if spread.examples > 1 else float("nan")
        return Interval(spread.value, spread.value - half, spread.value + half)
    widest = 2.0 if name in _SIGNED else 1.0
    return _bounded(spread, -widest, widest)


def _bounded(spread: _Spread, least: float, most: float) -> Interval:
    """Wilson's interval (1927, eq. 4 of Agresti & Coull 1998) of a metric between two ends."""
    value, deviation = spread.value, spread.deviation
    if not np.isfinite(value) or not np.isfinite(deviation):
        return Interval(value, float("nan"), float("nan"))
    share = (value - least) / (most - least)
    variance = (deviation / (most - least)) ** 2
    binomial = max(share * (1 - share), 0.0)
    if min(variance, binomial) > 1e-18:
        size = binomial / variance
    elif binomial > 1e-18:
        # Whatever is drawn has this value, as the AUC of a constant.
        return Interval(value, value, value)
    else:
        size = float(spread.examples)
    bent = spread.quantile**2 / size
    middle = (share + bent / 2) / (1 + bent)
    half = np.sqrt(binomial * bent + bent**2 / 4) / (1 + bent)
    ends = (least + (most - least) * np.clip([middle - half, middle + half], 0, 1)).tolist()
    return Interval(value, min(ends[0], value), max(ends[1], value))


def _of_logarithm(
    spread: _Spread, positive: float, drawn: Floats, back: Callable[[float], float]
) -> Interval:
    """A symmetric interval of the logarithm of what is above 0; of no width where it is 0."""
    if spread.examples < 2 or not np.isfinite(positive):
        return Interval(spread.value, float("nan"), float("nan"))
    defined = drawn[np.isfinite(drawn) & (drawn > 0)]
    deviation = float(np.log(defined).std()) if len(defined) else 0.0
    factor = float(np.exp(spread.quantile * deviation))
    ends = sorted((back(positive / factor), back(positive * factor)))
    return Interval(spread.value, *ends)


def _summed(tables: Floats, seed: int, resamples: int) -> Floats:
    """The table of each resample of the records, [resamples, classes, classes]."""
    flat = tables.reshape(len(tables), -1)
    drawn = resampling.draw(np.zeros(len(tables)), seed, resamples)
    return np.concatenate([weights @ flat for weights in drawn]).reshape(-1, *tables.shape[1:])


def finite(interval: Interval) -> dict[str, float | None]:
    """Value and ends in plain types; NaN as None."""
    return {name: v if math.isfinite(v) else None for name, v in asdict(interval).items()}
