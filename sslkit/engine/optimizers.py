"""Optimizers over parameters with rates of their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Rates:
    """What moves and how fast: a factor of the learning rate by parameter; 0 stays frozen."""

    factors: Mapping[nn.Parameter, float]

    def freeze(self) -> None:
        """Take frozen parameters out of the gradient's way."""
        for parameter, factor in self.factors.items():
            parameter.requires_grad_(factor > 0)


def adamw(
    named: Iterable[tuple[str, nn.Parameter]],
    rates: Rates,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.98),
) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov & Hutter 2019); only matrices decay.

    Every parameter group keeps its peak rate in ``peak``, which schedules multiply.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        factor = rates.factors.get(parameter, 1.0)
        if factor > 0:
            decays = parameter.ndim >= 2 and "table" not in name
            groups.setdefault((factor, weight_decay if decays else 0.0), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "weight_decay": decay, "peak": factor * learning_rate}
            for (factor, decay), members in groups.items()
        ],
        lr=learning_rate,
        betas=betas,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to ``factor`` of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]
