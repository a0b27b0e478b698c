"""Labels of units: each is judged by what its token says for its place, and masks have no say."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from sslkit.contracts.encoder import States, real
from sslkit.objectives import supervised_units
from sslkit.objectives.supervised_units import Objective, Settings
from sslkit.types import Batch


class Plain(nn.Module):
    """States that are learned, one for each token id."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(10, width)

    def forward(self, batch: Batch) -> States:
        return States(self.table(batch["tokens"]), real(batch))


def batch(seed: int = 0) -> Batch:
    """Two rows of four tokens and of seven units, each token speaking for two."""
    draw = np.random.default_rng(seed)
    target = draw.integers(-1, 3, (2, 7))
    unit = np.tile(np.arange(7), (2, 1))
    return {
        "tokens": torch.from_numpy(draw.integers(0, 10, (2, 4))),
        "length": torch.tensor([4, 4]),
        "speaker": torch.from_numpy(unit // 2),
        "place": torch.from_numpy(unit % 2),
        "target": torch.from_numpy(target),
        "weight": torch.from_numpy((target >= 0) * draw.random((2, 7)).astype(np.float32)),
    }


@pytest.fixture
def made() -> tuple[Objective, Plain, supervised_units.Head]:
    torch.manual_seed(0)
    objective = Objective(Settings(outputs=3, places=2, head_dropout=0.0))
    head = objective.head(5)
    assert isinstance(head, supervised_units.Head)
    nn.init.normal_(head.out.weight)
    return objective, Plain(5), head


Made = tuple[Objective, Plain, supervised_units.Head]


def test_the_loss_is_that_of_a_loop(made: Made) -> None:
    objective, encoder, head = made
    given = batch()
    wanted = 0.0
    for row, unit in itertools.product(range(2), range(7)):
        target = int(given["target"][row, unit])
        if target < 0:
            continue
        state = encoder.table(given["tokens"][row, unit // 2])
        said = head.out(head.norm(state))[unit % 2 * 3 :][:3]
        wanted -= float(given["weight"][row, unit] * said.detach().log_softmax(0)[target])
    (found,) = objective.losses(encoder, head, given).values()
    assert float(found.detach()) == pytest.approx(wanted, rel=1e-5)
    arrays = {name: tensor.numpy() for name, tensor in given.items()}
    assert objective.count(arrays)["supervised-units"] == pytest.approx(
        float(given["weight"].sum())
    )


def test_what_is_masked_moves_nothing(made: Made) -> None:
    objective, encoder, head = made
    given = batch()
    given["target"] = torch.tensor([[0, 1, -1, -1, 2, 0, 1]] * 2)
    given["weight"] = (given["target"] >= 0).float()
    given["tokens"] = torch.arange(8).reshape(2, 4)
    objective.losses(encoder, head, given)["supervised-units"].backward()
    assert encoder.table.weight.grad is not None
    moved = encoder.table.weight.grad.abs().sum(1) > 0
    # Token 1 of each row speaks for units 2 and 3 alone.
    assert not moved[[1, 5]].any()
    assert moved[[0, 2, 4, 6]].all()


def test_a_fresh_head_holds_all_classes_for_equal() -> None:
    objective = Objective(Settings(outputs=3))
    given = batch() | {"place": torch.zeros(2, 7, dtype=torch.int64)}
    scores = objective.scores(Plain(5), objective.head(5), given)
    assert scores.shape == (2, 7, 3)
    assert (scores == 0).all()


@pytest.mark.parametrize("wrong", [{"outputs": 0}, {"places": 0}, {"head_dropout": 1.0}])
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
