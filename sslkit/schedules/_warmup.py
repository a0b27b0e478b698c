"""Warm-up, which all schedules begin with, and what those have in common that keep no state."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from sslkit.contracts.optimizer import Course
from sslkit.errors import UsageError


@dataclass(frozen=True)
class Warmed:
    """The setting that all schedules share."""

    warmup: float | None = field(
        default=None,
        metadata={
            "help": "steps until the peak; below 1 a share of all. "
            "None: 0.05 in pretraining, 0.1 in fine-tuning"
        },
    )

    def __post_init__(self) -> None:
        given = self.warmup
        if given is not None and not (0 <= given < math.inf and (given < 1 or given % 1 == 0)):
            raise ValueError(f"warmup is a number of steps, or a share below 1, not {given}")


def rising(settings: Warmed, course: Course) -> int:
    """The steps until the peak.

    Raises:
        UsageError: there are more of them than the run has.
    """
    given = settings.warmup
    if given is None:
        return course.warmup
    steps = round(given * course.steps) if given < 1 else int(given)
    if steps > course.steps:
        raise UsageError(
            f"a warm-up of {steps} steps does not fit into {course.steps}",
            do="give a smaller warmup, or more --steps",
        )
    return steps


class Fixed(ABC):
    """Looks at nothing but the step; implements ``contracts.optimizer.Schedule``."""

    def __init__(self, settings: Warmed, course: Course) -> None:
        self.steps = course.steps
        self.warmup = rising(settings, course)

    def factor(self, step: int, loss: float, norm: float) -> float:
        """Linear up to the peak, then what ``later`` gives."""
        return (step + 1) / self.warmup if step < self.warmup else self.later(step)

    @abstractmethod
    def later(self, step: int) -> float:
        """The factor after warm-up."""

    def trace(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def results(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing was kept.

        Raises:
            ValueError: another schedule kept something.
        """
        if state:
            raise ValueError("the state is that of another schedule")
