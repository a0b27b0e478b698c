"""The loss of labels against sums written out; the head sees real tokens only."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sslkit import rng
from sslkit.contracts.encoder import States, real
from sslkit.objectives import supervised
from sslkit.objectives.supervised import Objective, Settings
from sslkit.types import Batch


class Given(nn.Module):
    """Stands in for an encoder: the tokens are the hidden states, their squares the embeddings."""

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        tokens = batch["tokens"]
        return States(tokens if layer is None else tokens**2, real(batch))


def batch(outputs: int) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(4, 6, 8)).astype(np.float32)
    target: Any = generator.normal(size=4).astype(np.float32)
    if outputs > 1:
        target = generator.integers(0, outputs, 4)
    weight = np.array([1, 0.5, 2, 0], np.float32)
    return {
        "tokens": hidden, "length": np.array([6, 3, 1, 2]), "phase": np.array([0, 1, 1, 0]),
        "target": target, "weight": weight,
    }  # fmt: skip


def slow_scores(
    head: supervised.Head, hidden: Any, length: int, phase: int, pooling: str
) -> list[float]:
    rows = hidden[:length].astype(float)
    pooled = {"mean": rows.mean(0), "max": rows.max(0), "first": rows[0]}[pooling]
    held = {name: value.double().numpy() for name, value in head.state_dict().items()}
    normal = (pooled - pooled.mean()) / math.sqrt(pooled.var() + 1e-5)
    normal = normal * held["norm.weight"] + held["norm.bias"]
    scores = held["out.weight"] @ normal + held["out.bias"]
    for place in range(min(length, len(held.get("place", [])))):
        squares = rows[place] ** 2
        squares = (squares - squares.mean()) / math.sqrt(squares.var() + 1e-5)
        seen = np.concatenate([squares, rows[place]])
        scores = scores + seen @ held["place"][place, phase] / math.sqrt(len(held["place"]))
    return [float(one) for one in scores]


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize(
    ("pooling", "positions"), [("mean", None), ("max", 0), ("first", None), ("mean", 4), ("max", 9)]
)
def test_loss_is_the_weighted_sum(outputs: int, pooling: Any, positions: int | None) -> None:
    settings = Settings(outputs=outputs, pooling=pooling, positions=positions, phases=2)
    objective = Objective(settings)
    torch.manual_seed(0)
    head = objective.head(8).eval()
    assert isinstance(head, supervised.Head)
    with torch.no_grad():
        head.out.weight.normal_()
        head.out.bias.normal_()
        if positions:
            assert head.place is not None
            head.place.normal_()
    arrays = batch(outputs)
    wanted = 0.0
    for row in range(4):
        length, phase = int(arrays["length"][row]), int(arrays["phase"][row])
        scores = slow_scores(head, arrays["tokens"][row], length, phase, pooling)
        target = arrays["target"][row]
        if outputs == 1:
            each = (scores[0] - float(target)) ** 2
        else:
            each = math.log(sum(map(math.exp, scores))) - scores[int(target)]
        wanted += float(arrays["weight"][row]) * each
    made = {name: torch.from_numpy(value) for name, value in arrays.items()}
    with torch.no_grad():
        found = objective.losses(Given(), head, made)
    assert float(found["supervised"]) == pytest.approx(wanted, rel=1e-5)
    assert objective.count(arrays) == {"supervised": 3.5}


def test_what_stands_behind_a_record_does_not_count() -> None:
    objective = Objective(Settings(outputs=3, positions=6, phases=2))
    head = objective.head(8).eval()
    assert isinstance(head, supervised.Head)
    assert head.place is not None
    nn.init.normal_(head.place)
    arrays = batch(3)
    made = {name: torch.from_numpy(value) for name, value in arrays.items()}
    before = objective.losses(Given(), head, made)["supervised"]
    made["tokens"][1, 3:] = torch.nan
    made["tokens"][2, 1:] = torch.inf
    torch.testing.assert_close(objective.losses(Given(), head, made)["supervised"], before)


def test_a_fresh_head_favours_no_class() -> None:
    head = Objective(Settings(outputs=4, positions=5)).head(8)
    hidden, phase = torch.randn(2, 5, 8), torch.tensor([0, 0])
    mask = torch.arange(5) < torch.tensor([5, 2])[:, None]
    assert head(States(hidden, mask), hidden, phase).tolist() == [[0.0] * 4] * 2


def test_dropout_of_the_head_acts_in_training_only() -> None:
    head = Objective(Settings(outputs=3, head_dropout=0.5)).head(64)
    assert isinstance(head, supervised.Head)
    nn.init.normal_(head.out.weight)
    mask = torch.arange(5) < torch.tensor([5, 2])[:, None]
    given = States(torch.randn(2, 5, 64), mask), None, torch.tensor([0, 0])
    with torch.no_grad():
        assert not torch.equal(head.train()(*given), head(*given))
        assert torch.equal(head.eval()(*given), head(*given))


def test_nothing_is_hidden() -> None:
    objective = Objective(Settings())
    arrays = batch(2)
    assert objective.prepare(arrays, rng.Counter(1, 0, np.arange(4))) is arrays


@pytest.mark.parametrize(
    "changed",
    [
        {"outputs": 0},
        {"head_dropout": 1.0},
        {"head_dropout": -0.1},
        {"positions": -1},
        {"phases": 0},
    ],
)
def test_settings_that_cannot_be(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        Settings(**changed)
