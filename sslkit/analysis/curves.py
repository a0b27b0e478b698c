"""Learning curves of several runs: the law of each, and of what all of them reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sslkit.analysis import scaling, stopping
from sslkit.analysis.scaling import FEWEST, Floats, Law
from sslkit.probes.intervals import Interval


@dataclass(frozen=True)
class Curve:
    """A metric of a run against what it spent.

    Attributes:
        spent, value: of every evaluation, ascending, [points].
        law: of all but the beginning; None for too few points.
    """

    name: str
    metric: str
    spent: Floats
    value: Floats
    law: Law | None

    @property
    def gain(self) -> Interval | None:
        """What a doubling from the end on should bring; above 0 is better."""
        if self.law is None:
            return None
        return stopping.gain(self.law, self.metric, float(self.spent[-1]))


def of_run(name: str, rows: Sequence[Mapping[str, float]], metric: str, by: str) -> Curve | None:
    """The curve of a run's rows; None where they hold no such metric."""
    held = sorted((row[by], row[metric]) for row in rows if by in row and metric in row)
    if not held:
        return None
    spent, value = np.array(held, np.float64).T
    return Curve(name, metric, spent, value, _law(*stopping.points(rows, metric, by)))


def of_ends(curves: Sequence[Curve], sizes: Sequence[float] | None = None) -> Curve:
    """Where the runs ended, against what they spent or, where given, their sizes."""
    spent = np.array([c.spent[-1] for c in curves] if sizes is None else sizes, np.float64)
    order = np.argsort(spent, kind="stable")
    value = np.array([curve.value[-1] for curve in curves])[order]
    return Curve("ends of runs", curves[0].metric, spent[order], value, _law(spent[order], value))


def envelope(curves: Sequence[Curve]) -> Curve:
    """The best that any run reached for what was spent, beginnings left out.

    A point belongs to it that no point of less or equal cost is as good as.
    """
    metric = curves[0].metric
    sign = 1.0 if stopping.falls(metric) else -1.0
    held = [
        (spent, sign * value)
        for curve in curves
        for spent, value in zip(curve.spent, curve.value, strict=True)
        if spent >= stopping.BEGINNING * curve.spent[-1]
    ]
    best, kept = np.inf, []
    for spent, value in sorted(held):
        if value < best:
            best = value
            kept.append((spent, sign * value))
    spent, value = np.array(kept, np.float64).T
    return Curve("best of all runs", metric, spent, value, _law(spent, value))


def _law(spent: Floats, value: Floats) -> Law | None:
    return scaling.fit(spent, value) if len(np.unique(spent)) >= FEWEST else None
