"""Half a cosine from the peak down to a floor (Loshchilov & Hutter 2017)."""

import math
from dataclasses import dataclass, field

from sslkit.contracts.optimizer import Course
from sslkit.schedules import _warmup

VERSION = 1


@dataclass(frozen=True)
class Settings(_warmup.Warmed):
    """Where it ends."""

    floor: float = field(default=0.1, metadata={"help": "factor of the peak at the end, 0 to 1"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.floor <= 1:
            raise ValueError(f"floor is from 0 to 1, not {self.floor}")


class Schedule(_warmup.Fixed):
    """The factor of the peak rate."""

    def __init__(self, settings: Settings, course: Course) -> None:
        super().__init__(settings, course)
        self._floor = settings.floor

    def later(self, step: int) -> float:
        """The cosine's."""
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self._floor + (1 - self._floor) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
