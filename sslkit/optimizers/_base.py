"""What most optimizers have in common: one of torch's inside."""

from collections.abc import Collection
from typing import Any

import torch

from sslkit.contracts.optimizer import Moment


class Wrapped:
    """One of torch's optimizers; implements ``contracts.optimizer.Optimizer``.

    Attributes:
        clips: whether the gradient's norm may be cut.
        keeps: the steps after which the weights are kept as a sample.
    """

    clips = True
    keeps: Collection[int] = ()

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self._inner = inner

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Each with its peak rate as ``peak`` and the present one as ``lr``."""
        return self._inner.param_groups

    def step(self, now: Moment) -> None:
        """Move all parameters that have a gradient."""
        self._inner.step()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._inner.zero_grad()

    def trace(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that a continued run must know."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._inner.load_state_dict(state)
