"""Gradient descent with momentum (Sutskever et al. 2013).

Weight decay is added to the gradient.
"""

from dataclasses import dataclass, field
from typing import Any

import torch

from sslkit.contracts.optimizer import Course
from sslkit.optimizers import _base

VERSION = 1
#: The peak rate unless a flag says otherwise.
RATE = 0.05


@dataclass(frozen=True)
class Settings:
    """How much of the last move is in the next."""

    momentum: float = field(default=0.9, metadata={"help": "share of the last move; 0: none"})
    nesterov: bool = field(default=True, metadata={"help": "look where the momentum leads"})

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is from 0 to below 1, not {self.momentum}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=true needs momentum; set nesterov=false")


class Optimizer(_base.Wrapped):
    """SGD over groups with a weight decay each."""

    def __init__(self, groups: list[dict[str, Any]], settings: Settings, course: Course) -> None:
        super().__init__(
            torch.optim.SGD(
                groups,
                lr=groups[0]["peak"],
                momentum=settings.momentum,
                nesterov=settings.nesterov,
            )
        )
