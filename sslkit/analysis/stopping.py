"""Whether more training would be worth its price: a rule on the rows that a run logged.

The price is a doubling of what was spent so far, the worth what the fitted law (``scaling``)
expects of it. A run should end once even the upper end of that expectation's interval lies below
what was asked for, at two evaluations in a row: one alone can be a lucky draw. No law foresees
that learning takes off: a run that is no better than the guess without a model goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sslkit.analysis import scaling
from sslkit.analysis.scaling import Floats, Law
from sslkit.probes.intervals import Interval

#: Evaluations that a rule waits for, beyond those of the beginning.
FEWEST = 8
#: What was spent on the beginning, warm-up above all, as a share of all; no law holds there.
BEGINNING = 0.1
#: Metrics that fall as a model gets better; of losses all do.
_ERRORS = ("rmse", "mae")

Row = Mapping[str, float]


def falls(metric: str) -> bool:
    """Whether less of a metric, as rows name it, is better."""
    return "loss" in metric or metric.removeprefix("probe_") in _ERRORS


def points(rows: Sequence[Row], metric: str, spent: str) -> tuple[Floats, Floats]:
    """What was spent and what was reached by it, [points] each, without the beginning."""
    held = [(row[spent], row[metric]) for row in rows if spent in row and metric in row]
    found = np.array(held, np.float64).reshape(-1, 2)
    settled = found[:, 0] >= BEGINNING * found[:, 0].max(initial=0.0)
    return found[settled, 0], found[settled, 1]


def gain(law: Law, metric: str, spent: float) -> Interval:
    """How much better a doubling makes a metric; above 0 is better, whichever way it goes."""
    found = law.fall(spent)
    if falls(metric):
        return found
    return Interval(-found.value, -found.high, -found.low)


@dataclass(frozen=True)
class Rule:
    """When to stop.

    Attributes:
        below: what a doubling must bring, in units of the metric.
        metric: name of a column of the rows.
        spent: the column that says what was spent.
    """

    below: float
    metric: str
    spent: str = "tokens"

    def chances(self, evaluations: float) -> tuple[int, int]:
        """How many of all evaluations a forecast can rest upon, and how many it needs."""
        return int((1 - BEGINNING) * evaluations), FEWEST + 1

    def forecast(self, rows: Sequence[Row]) -> Interval | None:
        """What the next doubling should bring; None while too little was seen."""
        spent, value = points(rows, self.metric, self.spent)
        if len(spent) < FEWEST:
            return None
        return gain(scaling.fit(spent, value), self.metric, float(spent[-1]))

    def reason(self, rows: Sequence[Row]) -> str:
        """Why a run should end that has logged these rows; empty to go on."""
        seen = [row for row in rows if self.metric in row]
        if not rows or self.metric not in rows[-1] or not _has_learned(rows[-1]):
            return ""
        now, before = self.forecast(seen), self.forecast(seen[:-1])
        if now is None or before is None or max(now.high, before.high) >= self.below:
            return ""
        return (
            f"twice the compute should bring {now.value:+.2g} of {self.metric} (95% interval "
            f"{now.low:+.2g} to {now.high:+.2g}), less than {self.below:g}"
        )


def _has_learned(row: Row) -> bool:
    """Whether the held-out loss lies below that of the guess without a model, where both stand."""
    loss, floor = row.get("heldout_loss"), row.get("floor_loss")
    return loss is None or floor is None or loss < floor
