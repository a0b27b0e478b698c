"""Optimizers over parameters with rates of their own."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.engine import sharded
from sslkit.modules import RowTable

_EPSILON = 1e-10


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


class Optimizer(Protocol):
    """What the loop asks of an optimizer."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any:
        """Move all parameters that have a gradient."""
        ...

    def zero_grad(self) -> None:
        """Forget all gradients."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a continued run must know."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Go on from what ``state_dict`` gave."""
        ...


class RowAdagrad:
    """Adagrad of whole rows, of those that have a gradient (Duchi et al. 2011, by rows).

    A step costs what was looked up and not what there is to look up. A row's rate falls with the
    root of its summed squared gradients, so that frequent and rare rows move alike, and the scale
    of the loss does not matter.
    """

    def __init__(self, tables: Sequence[nn.Parameter], learning_rate: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": learning_rate, "peak": learning_rate}]
        self._tables = tuple(tables)
        self._squares = [torch.zeros(len(t), device=t.device) for t in tables]

    @torch.no_grad()
    def step(self) -> None:
        """Move every row that has a gradient."""
        for table, squares in zip(self._tables, self._squares, strict=True):
            if table.grad is not None:
                rows, slope = _summed(table.grad)
                squares[rows] += slope.square().mean(1)
                rate = self.param_groups[0]["lr"] / (squares[rows].sqrt() + _EPSILON)
                table.index_add_(0, rows, slope * -rate[:, None])

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for table in self._tables:
            table.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The summed squares of each table."""
        return {"squares": self._squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What ``state_dict`` gave."""
        for own, held in zip(self._squares, state["squares"], strict=True):
            own.copy_(held)


def _summed(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a sparse gradient, each once, and what it says of each."""
    looked_up, order = torch.sort(gradient._indices()[0], stable=True)
    rows, count = torch.unique_consecutive(looked_up, return_counts=True)
    begin = count.cumsum(0) - count
    # A sum over stretches takes half as long as adding rows up one by one.
    return rows, functional.embedding_bag(order, gradient._values(), begin, mode="sum")


class Together:
    """Optimizers of different parameters as one."""

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self._parts = tuple(parts)
        self.param_groups = [group for part in parts for group in part.param_groups]

    def step(self) -> None:
        """One step of each."""
        for part in self._parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self._parts:
            part.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The states of all parts, in order."""
        return {str(number): part.state_dict() for number, part in enumerate(self._parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What ``state_dict`` gave."""
        for number, part in enumerate(self._parts):
            part.load_state_dict(state[str(number)])


def make_sparse(learner: nn.Module) -> None:
    """Give all tables gradients of the rows that were looked up, for ``RowAdagrad``."""
    for module in learner.modules():
        if isinstance(module, RowTable):
            module.sparse = True


def of(learner: nn.Module, rates: Rates, learning_rate: float, weight_decay: float) -> Optimizer:
    """AdamW, and ``RowAdagrad`` for the tables that are sparse."""
    rows = [m.weight for m in learner.modules() if isinstance(m, RowTable) and m.sparse]
    sparse = {id(parameter) for parameter in rows}
    dense = [(n, p) for n, p in learner.named_parameters() if id(p) not in sparse]
    if not rows:
        return adamw(dense, rates, learning_rate, weight_decay)
    own = RowAdagrad(rows, learning_rate)
    return Together([adamw(dense, rates, learning_rate, weight_decay), own]) if dense else own


def clip(parameters: Iterable[nn.Parameter], largest: float) -> float:
    """The norm of the gradient before it is cut to ``largest``.

    Rows of sparse tables count as often as they were looked up and are not cut: ``RowAdagrad``
    takes any scale.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    sparse = [float(g._values().norm()) for g in gradients if g.is_sparse]
    dense = [p for p in parameters if p.grad is not None and not p.grad.is_sparse]
    norm = float(sharded.whole(nn.utils.clip_grad_norm_(dense, largest))) if dense else 0.0
    return math.hypot(norm, *sparse) if sparse else norm


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Set every group's rate to ``factor`` of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]
