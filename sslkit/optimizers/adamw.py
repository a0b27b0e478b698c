"""Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

from dataclasses import dataclass, field
from typing import Any

import torch

from sslkit.contracts.optimizer import Course
from sslkit.optimizers import _base

VERSION = 1
#: Beside it, ``RowAdagrad`` moves the tables whose gradients are sparse.
SPARSE = True


@dataclass(frozen=True)
class Settings:
    """How long the moments remember."""

    beta1: float = field(default=0.9, metadata={"help": "share of the old in the mean gradient"})
    beta2: float = field(default=0.98, metadata={"help": "the same of the mean squared gradient"})
    epsilon: float = field(default=1e-8, metadata={"help": "added to the root of the latter"})

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is from 0 to below 1, not {getattr(self, name)}")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon is above 0, not {self.epsilon}")


class Optimizer(_base.Wrapped):
    """Fused AdamW over groups with a weight decay each."""

    def __init__(self, groups: list[dict[str, Any]], settings: Settings, course: Course) -> None:
        super().__init__(
            torch.optim.AdamW(
                groups,
                lr=groups[0]["peak"],
                betas=(settings.beta1, settings.beta2),
                eps=settings.epsilon,
                fused=True,
            )
        )
