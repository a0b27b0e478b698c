"""Properties: the squared error of what is known, and of nothing else."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sslkit import rng
from sslkit.contracts.encoder import States, real
from sslkit.contracts.spec import Floats, Ids, token_ids
from sslkit.errors import UsageError
from sslkit.objectives import properties
from sslkit.types import Arrays, Batch

SPEC = {"tokens": Ids(("length",), 5), "properties": Floats(("property",), (3,))}
TOKENS = token_ids(SPEC)


class Table(nn.Module):
    """An encoder whose states are the tokens' numbers, 100 at padding."""

    def forward(self, batch: Batch) -> States:
        values = batch["tokens"].double().masked_fill(~real(batch), 100.0)
        return States(values[..., None].expand(-1, -1, 3), real(batch))


def batch() -> Arrays:
    return {
        "tokens": np.array([[1, 3, 4], [2, 0, 0], [0, 0, 0]]),
        "length": np.array([2, 1, 0]),
        "properties": np.array([[0.0, np.e - 1, 1 - np.e], [np.nan, 1.0, np.inf], [1.0, 1.0, 1.0]]),
        "boundary": np.zeros((3, 3), np.bool_),
    }


def prepared(given: Arrays) -> Arrays:
    made = properties.Objective(properties.Settings(), SPEC)
    return made.prepare(given, rng.Counter(1, 0, np.arange(3)))


def test_numbers_are_compared_by_their_logarithms() -> None:
    found = prepared(batch())
    assert found.keys() == batch().keys() | {"wanted", "counted"}
    np.testing.assert_allclose(found["wanted"][0], [0, 1, -1], rtol=1e-6)
    np.testing.assert_allclose(found["wanted"][1], [0, math.log(2), 0], rtol=1e-6)
    assert found["counted"].tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 0]]


def test_the_loss_is_the_squared_error_of_what_is_known() -> None:
    objective = properties.Objective(properties.Settings(), SPEC)
    made = prepared(batch())
    assert objective.count(made) == {"properties": 4.0}
    tensors = {name: torch.from_numpy(value) for name, value in made.items()}
    head = nn.Linear(3, 3, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.diag(torch.tensor([1.0, 2.0, 3.0])))
        head.bias.zero_()
    (loss,) = objective.losses(Table(), head, tensors).values()
    # Means of the tokens are 2 and 2.
    wanted = (2 - 0) ** 2 + (4 - 1) ** 2 + (6 + 1) ** 2 + (4 - math.log(2)) ** 2
    assert loss.item() == pytest.approx(wanted)
    loss.backward()
    assert head.weight.grad is not None
    assert torch.isfinite(head.weight.grad).all()


def test_the_floor_is_the_variance_of_each_property() -> None:
    generator = np.random.default_rng(1)
    wanted = generator.normal(size=(50, 3)).astype(np.float32) * [1, 2, 5]
    counted = np.ones_like(wanted, np.float32)
    objective = properties.Objective(properties.Settings(), SPEC)
    halves = [{"wanted": wanted[at], "counted": counted[at]} for at in (slice(20), slice(20, 50))]
    assert objective.baseline(halves) == pytest.approx(wanted.var(0).mean())
    counted[:, 2] = 0
    assert objective.baseline(halves) == pytest.approx(wanted.var(0)[:2].mean())
    counted[:] = 0
    assert math.isnan(objective.baseline(halves))


def test_a_domain_without_properties_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to predict"):
        properties.Objective(properties.Settings(), {"tokens": Ids(("length",), 5)})
