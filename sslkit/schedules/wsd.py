"""Warm-up, stable, decay: the peak for most of the run, and a fall at its end (Hu et al. 2024).

The fall is linear, or as one less the root of its length (Hägele et al. 2024).
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from sslkit.contracts.optimizer import Course
from sslkit.errors import UsageError
from sslkit.schedules import _warmup

VERSION = 1


@dataclass(frozen=True)
class Settings(_warmup.Warmed):
    """How long the fall is, and how deep."""

    decay: float = field(default=0.2, metadata={"help": "share of the run in which it falls"})
    floor: float = field(default=0.0, metadata={"help": "factor of the peak at the end, 0 to 1"})
    shape: Literal["linear", "root"] = field(
        default="linear", metadata={"help": "of the fall: linear, or root: steep at first"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is above 0 and at most 1, not {self.decay}")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"floor is from 0 to 1, not {self.floor}")


class Schedule(_warmup.Fixed):
    """The factor of the peak rate.

    Raises:
        UsageError: the run is too short for its ends.
    """

    def __init__(self, settings: Settings, course: Course) -> None:
        super().__init__(settings, course)
        self._settings = settings
        #: The step with which the fall begins.
        self.fall = self.steps - max(1, round(settings.decay * self.steps))
        if self.fall < self.warmup and self.steps > 1:
            raise UsageError(
                f"wsd cannot rise for {self.warmup} steps and fall for {self.steps - self.fall} in "
                f"a run of {self.steps}",
                do="give a smaller warmup or decay",
            )

    def later(self, step: int) -> float:
        """1, and then the fall, which ends with the step after the last one."""
        settings = self._settings
        done = min(max(step - self.fall, 0) / (self.steps - self.fall), 1.0)
        left = 1 - (math.sqrt(done) if settings.shape == "root" else done)
        return settings.floor + (1 - settings.floor) * left
