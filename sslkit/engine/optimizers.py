"""Optimizers over parameters with rates of their own."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import RowTable
from sslkit.contracts.optimizer import Course, Moment, Optimizer
from sslkit.engine import sharded
from sslkit.errors import UsageError

_EPSILON = 1e-10


@dataclass(frozen=True)
class Rates:
    """What moves and how fast: a factor of the learning rate by parameter; 0 stays frozen."""

    factors: Mapping[nn.Parameter, float]

    def freeze(self) -> None:
        """Take frozen parameters out of the gradient's way."""
        for parameter, factor in self.factors.items():
            parameter.requires_grad_(factor > 0)


def groups(
    named: Iterable[tuple[str, nn.Parameter]],
    rates: Rates,
    learning_rate: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Parameters by rate and decay; only matrices decay.

    Every group keeps its peak rate in ``peak``, which schedules multiply.
    """
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        factor = rates.factors.get(parameter, 1.0)
        if factor > 0:
            decays = parameter.ndim >= 2 and "table" not in name
            found.setdefault((factor, weight_decay if decays else 0.0), []).append(parameter)
    return [
        {"params": members, "weight_decay": decay, "peak": factor * learning_rate}
        for (factor, decay), members in found.items()
    ]


class RowAdagrad:
    """Adagrad of whole rows, of those that have a gradient (Duchi et al. 2011, by rows).

    A step costs what was looked up and not what there is to look up. A row's rate falls with the
    root of its summed squared gradients, so that frequent and rare rows move alike, and the scale
    of the loss does not matter.
    """

    clips = True
    keeps: Collection[int] = ()

    def __init__(self, tables: Sequence[nn.Parameter], learning_rate: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": learning_rate, "peak": learning_rate}]
        self._tables = tuple(tables)
        self._squares = [torch.zeros(len(t), device=t.device) for t in tables]

    @torch.no_grad()
    def step(self, now: Moment) -> None:
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

    def trace(self) -> dict[str, float]:
        """Nothing."""
        return {}

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


class OptimizerGroup:
    """Several optimizers as one; implements ``contracts.optimizer.Optimizer``.

    Those that begin at the same step move side by side, each its own parameters. Those that begin
    later take over from them.

    Args:
        begins: the step that each of ``parts`` begins at, ascending from 0; all at 0 by default.
    """

    def __init__(self, parts: Sequence[Optimizer], begins: Sequence[int] = ()) -> None:
        self._parts = tuple(parts)
        self._begins = tuple(begins) or (0,) * len(parts)

    def at(self, step: int) -> Optimizer:
        """What moves the weights in a step."""
        begin = max(begin for begin in self._begins if begin <= step)
        parts = [p for p, its in zip(self._parts, self._begins, strict=True) if its == begin]
        return parts[0] if len(parts) == 1 else OptimizerGroup(parts)

    @property
    def clips(self) -> bool:
        """Whether all parts allow the gradient's norm to be cut."""
        return all(part.clips for part in self._parts)

    @property
    def keeps(self) -> Collection[int]:
        """The steps after which any part keeps the weights."""
        return {step for part in self._parts for step in part.keeps}

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all parts, as they are now: a state that is loaded brings new ones."""
        return [group for part in self._parts for group in part.param_groups]

    def step(self, now: Moment) -> None:
        """One step of each part."""
        for part in self._parts:
            part.step(now)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self._parts:
            part.zero_grad()

    def trace(self) -> dict[str, float]:
        """What the parts log."""
        return {name: value for part in self._parts for name, value in part.trace().items()}

    def state_dict(self) -> dict[str, Any]:
        """The states of all parts, in order."""
        return {str(number): part.state_dict() for number, part in enumerate(self._parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        for number, part in enumerate(self._parts):
            part.load_state_dict(sharded.cut_moments(state[str(number)], part.param_groups))


def make_sparse(learner: nn.Module) -> None:
    """Give all tables gradients of the rows that were looked up, for ``RowAdagrad``."""
    for module in learner.modules():
        if isinstance(module, RowTable):
            module.sparse = True


def of(
    learner: nn.Module,
    rates: Rates,
    learning_rate: float,
    weight_decay: float,
    plugin: tuple[ModuleType, Any],
    course: Course,
) -> Optimizer:
    """The chosen optimizer, and beside AdamW ``RowAdagrad`` for the tables that are sparse.

    Args:
        plugin: module and settings.

    Raises:
        UsageError: a table is sparse, and the optimizer takes no sparse gradients.
    """
    module, settings = plugin
    rows = [m.weight for m in learner.modules() if isinstance(m, RowTable) and m.sparse]
    if rows and not getattr(module, "SPARSE", False):
        raise UsageError(f"{module.__name__} takes no sparse gradients", do="--optimizer adamw")
    sparse = {id(parameter) for parameter in rows}
    dense = [(n, p) for n, p in learner.named_parameters() if id(p) not in sparse]
    own = RowAdagrad(rows, learning_rate)
    if rows and not dense:
        return own
    made: Optimizer = module.Optimizer(
        groups(dense, rates, learning_rate, weight_decay), settings, course
    )
    return OptimizerGroup([made, own]) if rows else made


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
