"""Row-wise Adagrad against its formula; rates and decay of every parameter."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sslkit.contracts.encoder import RowTable, TokenTable
from sslkit.contracts.optimizer import Course, Moment, Optimizer
from sslkit.engine import optimizers
from sslkit.engine.optimizers import Rates
from sslkit.errors import UsageError
from sslkit.optimizers import adamw, sgd


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = TokenTable(6, 4, None)
        self.low = nn.Linear(4, 4)
        self.high = nn.Linear(4, 4)


#: Of a step that no optimizer here asks about.
NOW = Moment(0, 1.0, 1.0, lambda: 1.0)
ADAMW = (adamw, adamw.Settings())


def made(model: nn.Module, own: Rates) -> Optimizer:
    return optimizers.of(model, own, 0.1, 0.2, ADAMW, Course(10))


def rates(model: Small) -> Rates:
    return Rates(
        dict.fromkeys(model.table.parameters(), 0.0) | dict.fromkeys(model.low.parameters(), 0.5)
    )


def test_every_moving_parameter_is_in_one_group() -> None:
    model = Small()
    optimizer = made(model, rates(model))
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    moving = [*model.low.parameters(), *model.high.parameters()]
    assert sorted(held) == sorted(map(id, moving))
    peaks = {(g["peak"], g["weight_decay"]) for g in optimizer.param_groups}
    assert peaks == {(0.05, 0.2), (0.05, 0.0), (0.1, 0.2), (0.1, 0.0)}


def test_tables_do_not_decay() -> None:
    model = Small()
    optimizer = made(model, Rates({}))
    (decay,) = {
        group["weight_decay"]
        for group in optimizer.param_groups
        if any(p is model.table.own for p in group["params"])
    }
    assert decay == 0


def test_freezing_stops_gradients_and_can_be_undone() -> None:
    model = Small()
    rates(model).freeze()
    assert not model.table.own.requires_grad
    assert model.low.weight.requires_grad
    Rates({model.table.own: 1.0}).freeze()
    assert model.table.own.requires_grad


def test_set_rate_keeps_the_ratios() -> None:
    model = Small()
    optimizer = made(model, rates(model))
    for factor in (0.3, 1.0, 0.0):
        optimizers.set_rate(optimizer, factor)
        for group in optimizer.param_groups:
            assert math.isclose(group["lr"], factor * group["peak"])
    assert {g["peak"] for g in optimizer.param_groups} == {0.05, 0.1}


def looked_up(table: RowTable, rows: list[int], slopes: torch.Tensor) -> None:
    """Give a table the gradient of looking up ``rows``, each with its slope."""
    (table(torch.tensor(rows)) * slopes).sum().backward()


def test_rows_move_as_one_by_one_by_adagrad() -> None:
    table = RowTable(6, 3)
    table.sparse = True
    own = optimizers.RowAdagrad([table.weight], 0.5)
    wanted, squares = np.zeros((6, 3)), np.zeros(6)
    generator = torch.Generator().manual_seed(1)
    for rows in ([1, 4, 1], [4], [1, 5, 5, 5]):
        slopes = torch.randn(len(rows), 3, generator=generator)
        looked_up(table, rows, slopes)
        own.step(NOW)
        own.zero_grad()
        for row in set(rows):
            slope = sum(s.numpy() for r, s in zip(rows, slopes, strict=True) if r == row)
            squares[row] += (slope**2).mean()
            wanted[row] -= 0.5 * slope / np.sqrt(squares[row])
    assert np.allclose(table.weight.detach().numpy(), wanted, atol=1e-6)


def test_the_scale_of_the_loss_does_not_matter_to_rows() -> None:
    found = []
    for scale in (1e-6, 1e3):
        table = RowTable(4, 2)
        table.sparse = True
        own = optimizers.RowAdagrad([table.weight], 0.1)
        for slope in (1.0, -3.0, 2.0):
            looked_up(table, [0, 2, 2], torch.full((3, 2), slope * scale))
            own.step(NOW)
            own.zero_grad()
        found.append(table.weight.detach().numpy().copy())
    assert np.allclose(*found, atol=1e-5)


def test_sparse_tables_and_the_rest_go_on_together_from_a_kept_state() -> None:
    def begun() -> tuple[torch.nn.ModuleDict, Optimizer]:
        torch.manual_seed(0)
        parts = torch.nn.ModuleDict({"rows": RowTable(4, 2), "dense": torch.nn.Linear(2, 1)})
        optimizers.make_sparse(parts)
        return parts, optimizers.of(parts, Rates({}), 0.1, 0.0, ADAMW, Course(10))

    def step(parts: torch.nn.ModuleDict, own: Optimizer, row: int) -> None:
        parts["dense"](parts["rows"](torch.tensor([row, 3]))).square().sum().backward()
        assert optimizers.clip(parts.parameters(), 1.0) > 0
        own.step(NOW)
        own.zero_grad()

    whole, first = begun(), begun()
    step(*whole, 0)
    step(*first, 0)
    second = begun()
    second[0].load_state_dict(first[0].state_dict())
    second[1].load_state_dict(first[1].state_dict())
    # The rate is set of what moves the weights, not of what was there before the state came.
    for _, own in (second, whole):
        optimizers.set_rate(own, 0.5)
    for row in (1, 0):
        step(*whole, row)
        step(*second, row)
    for name, value in whole[0].state_dict().items():
        assert torch.equal(value, second[0].state_dict()[name])
    assert (whole[0]["rows"].weight[2] == 0).all()


def test_sparse_tables_are_for_adamw_alone() -> None:
    parts = torch.nn.ModuleDict({"rows": RowTable(4, 2), "dense": torch.nn.Linear(2, 1)})
    optimizers.make_sparse(parts)
    with pytest.raises(UsageError, match="takes no sparse gradients"):
        optimizers.of(parts, Rates({}), 0.1, 0.0, (sgd, sgd.Settings()), Course(10))


def test_a_group_is_side_by_side_and_one_after_the_other() -> None:
    tables = [RowTable(3, 2) for _ in range(3)]
    parts = [optimizers.RowAdagrad([table.weight], 0.5) for table in tables]
    group = optimizers.OptimizerGroup(parts, [0, 0, 5])
    begun = [table.weight.detach().clone() for table in tables]

    def moved(step: int) -> list[bool]:
        for table, before in zip(tables, begun, strict=True):
            table.weight.data.copy_(before)
            table.weight.grad = torch.ones(3, 2).to_sparse(1)
        group.at(step).step(NOW)
        return [not torch.equal(t.weight, before) for t, before in zip(tables, begun, strict=True)]

    assert moved(0) == moved(4) == [True, True, False]
    assert moved(5) == moved(9) == [False, False, True]
    assert group.at(5) is parts[2]
    assert len(group.param_groups) == 3
    assert len(group.at(4).param_groups) == 2
    group.zero_grad()
    assert all(table.weight.grad is None for table in tables)
