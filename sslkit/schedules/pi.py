"""A proportional-integral controller that holds gradient norm over loss at a set point.

What is held is the logarithm of the ratio, smoothed; what is moved is the logarithm of the rate:
rate = peak * exp(proportional * error + integral of error), so that gains have no units and hold at
any scale of the loss. The rate stays within limits and moves by at most ``change`` in a step. While
it stands at a limit, or moves as fast as it may, the integral takes up no error that would push it
further (conditional integration, Åström & Hägglund 2006, 3.5): it never winds up, and lets go at
once.

Without a set point it is the median of the ratio over the second half of the warm-up, which is
measured before the controller acts.
"""

import math
import statistics
from dataclasses import dataclass, field
from typing import Any, Literal

from sslkit.contracts.optimizer import Course
from sslkit.schedules import _warmup

VERSION = 1


@dataclass(frozen=True)
class Settings(_warmup.Warmed):
    """Set point, gains and limits."""

    target: float | None = field(
        default=None,
        metadata={"help": "gradient norm over loss to hold. None: the median late in warm-up"},
    )
    proportional: float = field(
        default=1.0, metadata={"help": "gain: change of log rate for an error of 1 in log ratio"}
    )
    integral: float = field(
        default=0.05, metadata={"help": "gain a step: the same, of the error added up over steps"}
    )
    smoothing: float = field(
        default=0.9, metadata={"help": "share of the old in the running mean of the log ratio"}
    )
    action: Literal["direct", "reverse"] = field(
        default="direct",
        metadata={"help": "direct: a ratio above the set point raises the rate; reverse: lowers"},
    )
    least: float = field(default=0.01, metadata={"help": "lowest factor of the peak"})
    most: float = field(default=10.0, metadata={"help": "highest factor of the peak"})
    change: float = field(
        default=0.05, metadata={"help": "largest change of the log rate in a step"}
    )
    decay: float = field(
        default=0.0,
        metadata={"help": "share of the run, at its end, in which the rate falls to 0 instead"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target is not None and not 0 < self.target < math.inf:
            raise ValueError(f"target is above 0, not {self.target}")
        for name in ("proportional", "integral"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is at least 0, not {getattr(self, name)}")
        for name in ("smoothing", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is from 0 to below 1, not {getattr(self, name)}")
        if not 0 < self.least <= 1 <= self.most < math.inf:
            raise ValueError(f"least <= 1 <= most is wanted, not {self.least} and {self.most}")
        if not 0 < self.change < math.inf:
            raise ValueError(f"change is above 0, not {self.change}")


@dataclass
class _State:
    """All that a continued run must know; levels are logarithms of factors of the peak.

    Attributes:
        target: the set point; 0 while it is not known.
        mean: of the log ratio, running; NaN before the first ratio.
        heard: ratios late in warm-up.
    """

    target: float
    mean: float = math.nan
    integral: float = 0.0
    level: float = 0.0
    saturated: bool = False
    heard: list[float] = field(default_factory=list)


class Schedule:
    """The controller; implements ``contracts.optimizer.Schedule``."""

    def __init__(self, settings: Settings, course: Course) -> None:
        self._settings = settings
        self._steps = course.steps
        self._warmup = _warmup.rising(settings, course)
        self._fall = course.steps - round(settings.decay * course.steps)
        self._state = _State(settings.target or 0.0)
        self._trace: dict[str, float] = {}

    def factor(self, step: int, loss: float, norm: float) -> float:
        """The factor of the peak for a step of such a loss and gradient; not before its turn."""
        state = self._state
        ratio = norm / loss if loss > 0 and norm > 0 else math.nan
        if known := math.isfinite(ratio):
            keep = 0.0 if math.isnan(state.mean) else self._settings.smoothing
            old = 0.0 if math.isnan(state.mean) else state.mean
            state.mean = keep * old + (1 - keep) * math.log(ratio)
        if step < self._warmup:
            if known and step >= self._warmup // 2:
                state.heard.append(ratio)
            factor = (step + 1) / self._warmup
        else:
            self._aim()
            # A step whose ratio says nothing leaves all as it is.
            if known and state.target and step < self._fall:
                self._control(math.log(state.target))
            factor = math.exp(state.level)
            if step >= self._fall:
                factor *= 1 - (step - self._fall) / max(self._steps - self._fall, 1)
        self._note(ratio, factor)
        return max(factor, 0.0)

    def _aim(self) -> None:
        """Settle the set point once."""
        state = self._state
        if not state.target and not math.isnan(state.mean):
            state.target = statistics.median(state.heard or [math.exp(state.mean)])
            state.heard = []

    def _control(self, target: float) -> None:
        settings, state = self._settings, self._state
        error = target - state.mean if settings.action == "reverse" else state.mean - target
        lowest = max(math.log(settings.least), state.level - settings.change)
        highest = min(math.log(settings.most), state.level + settings.change)
        integral = state.integral + settings.integral * error
        wanted = settings.proportional * error + integral
        state.level = min(max(wanted, lowest), highest)
        state.saturated = wanted != state.level
        # What would only push further against a limit is not added up.
        if not state.saturated or (wanted > state.level) != (error > 0):
            state.integral = integral

    def _note(self, ratio: float, factor: float) -> None:
        state = self._state
        self._trace = {
            **({"ratio": ratio} if math.isfinite(ratio) else {}),
            **({"set_point": state.target} if state.target else {}),
            "factor": factor,
            "integral": state.integral,
            "saturated": int(state.saturated),
        }

    def trace(self) -> dict[str, float]:
        """Of the last step: ``ratio``, ``set_point``, ``factor``, ``integral``, ``saturated``."""
        return dict(self._trace)

    def results(self) -> dict[str, float]:
        """The set point."""
        return {"set_point": self._state.target}

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return dict(vars(self._state))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What ``state_dict`` gave."""
        self._state = _State(**state)
