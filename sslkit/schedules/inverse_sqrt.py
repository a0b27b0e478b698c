"""The rate falls with the root of the steps (Vaswani et al. 2017, eq. 3).

It knows no end: a run can be made longer without a change to what it did before, if the warm-up is
given in steps.
"""

import math
from dataclasses import dataclass

from sslkit.schedules import _warmup

VERSION = 1


@dataclass(frozen=True)
class Settings(_warmup.Warmed):
    """Warm-up, whose length also says how slowly the rate falls."""


class Schedule(_warmup.Fixed):
    """The factor of the peak rate."""

    def later(self, step: int) -> float:
        """The root of warm-up over steps."""
        return math.sqrt(max(self.warmup, 1) / (step + 1))
