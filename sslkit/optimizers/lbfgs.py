"""L-BFGS with a search for the strong Wolfe conditions (Nocedal & Wright 2006, 3.5 and 7.2).

It compares the loss at several weights, which must be one and the same function: it needs an
objective whose batch is the same in every step. The search finds the rate: --learning-rate,
--weight-decay, --clip and the schedule have no part in it. A step is ``iterations`` of its own,
each of one evaluation of the whole batch or a few. Alone, or after another: adamw+lbfgs.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch

from sslkit.contracts.optimizer import Course, Moment

VERSION = 1
NEEDS_FULL_BATCH = True
#: It takes no rate from a schedule.
FOLLOWS = False
#: Evaluations that a long search may take.
_SEARCH = 25


@dataclass(frozen=True)
class Settings:
    """How long a step is and how much of the past it knows."""

    after: float = field(
        default=0.8, metadata={"help": "share of the steps that the optimizer before it has"}
    )
    iterations: int = field(default=20, metadata={"help": "in a step"})
    history: int = field(default=50, metadata={"help": "moves that the curvature is made from"})
    rate: float = field(default=1.0, metadata={"help": "first length that a search tries"})
    tolerance: float = field(
        default=1e-9, metadata={"help": "largest slope at which there is nothing left to do"}
    )

    def __post_init__(self) -> None:
        if not 0 < self.after < 1:
            raise ValueError(f"after is above 0 and below 1, not {self.after}")
        for name in ("iterations", "history"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        if not self.rate > 0:
            raise ValueError(f"rate is above 0, not {self.rate}")
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance is at least 0, not {self.tolerance}")


class Optimizer:
    """All parameters as one vector; implements ``contracts.optimizer.Optimizer``."""

    #: A cut gradient is not that of the loss.
    clips = False
    keeps: Collection[int] = ()

    def __init__(self, groups: list[dict[str, Any]], settings: Settings, course: Course) -> None:
        self.param_groups: list[dict[str, Any]] = []
        self._evaluations = 0
        self._inner: torch.optim.Optimizer = torch.optim.LBFGS(
            [parameter for group in groups for parameter in group["params"]],
            lr=settings.rate,
            max_iter=settings.iterations,
            # A search that is cut off moves nothing: the first one has no curvature to go by.
            max_eval=2 * settings.iterations + _SEARCH,
            tolerance_grad=settings.tolerance,
            # Stop for want of slope, not because one move was short.
            tolerance_change=0.0,
            history_size=settings.history,
            line_search_fn="strong_wolfe",
        )

    def step(self, now: Moment) -> None:
        """Some iterations; the first of their evaluations has been made."""
        self._evaluations = 0

        def evaluate() -> float:
            self._evaluations += 1
            return now.loss if self._evaluations == 1 else now.evaluate()

        self._inner.step(evaluate)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._inner.zero_grad()

    def trace(self) -> dict[str, float]:
        """``learning_rate``, the length of the last move, and ``evaluations`` in the step."""
        (state,) = self._inner.state.values()
        return {"learning_rate": float(state.get("t", 0.0)), "evaluations": self._evaluations}

    def state_dict(self) -> dict[str, Any]:
        """The moves that the curvature is made from, and the last slope."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What ``state_dict`` gave."""
        self._inner.load_state_dict(state)
