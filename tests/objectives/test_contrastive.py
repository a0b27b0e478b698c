"""Contrast of views: the loss is InfoNCE in loops, lone and empty rows ask nothing, views meet."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from states import states

from sslkit import rng
from sslkit.contracts.spec import Ids, token_ids
from sslkit.models import transformer
from sslkit.objectives import _views, contrastive
from sslkit.types import Arrays, Batch

SPEC = {"tokens": Ids(("length",), 9)}
TOKENS = token_ids(SPEC)


def objective_of(**changed: Any) -> contrastive.Objective:
    return contrastive.Objective(contrastive.Settings(projection=6, **changed), SPEC)


def some(lengths: list[int], views: list[int], seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    made = {}
    for name, length, given in (
        ("tokens", "length", lengths),
        ("view.tokens", "view.length", views),
    ):
        tokens = generator.integers(0, TOKENS.size, (len(given), max(*given, 1)))
        tokens[np.arange(tokens.shape[1]) >= np.array(given)[:, None]] = TOKENS.pad
        made |= {name: tokens, length: np.array(given)}
    return made


def draws(rows: int) -> rng.Counter:
    return rng.Counter(1, 0, np.arange(rows))


def tensors(arrays: Arrays) -> Batch:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def encoder_of() -> transformer.Model:
    torch.manual_seed(0)
    model = transformer.Model(transformer.Settings(blocks=1, width=8, heads=2), SPEC)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def head_of(objective: contrastive.Objective) -> _views.Cosines:
    torch.manual_seed(1)
    head = objective.head(8)
    assert isinstance(head, _views.Cosines)
    return head


def loss(objective: contrastive.Objective, batch: Arrays) -> float:
    made = objective.prepare(batch, draws(len(batch["length"])))
    with torch.no_grad():
        found = objective.losses(encoder_of(), head_of(objective), tensors(made))
    return float(found["contrastive"])


def slow(objective: contrastive.Objective, batch: Arrays, temperature: float) -> float:
    """InfoNCE of every pair in both directions, record by record."""
    encoder, head = encoder_of(), head_of(objective)

    def vector(tokens: Any) -> list[float]:
        with torch.no_grad():
            length = torch.tensor([len(tokens)])
            own = states(encoder, torch.from_numpy(tokens)[None], length)[0]
            numbers: list[float] = head.project(own.mean(0)).double().tolist()
        norm = math.sqrt(sum(x * x for x in numbers))
        return [x / norm for x in numbers]

    rows = [
        r for r in range(len(batch["length"])) if batch["length"][r] and batch["view.length"][r]
    ]
    one = [vector(batch["tokens"][r, : batch["length"][r]]) for r in rows]
    other = [vector(batch["view.tokens"][r, : batch["view.length"][r]]) for r in rows]
    total = 0.0
    for asked, candidates in ((one, other), (other, one)):
        for i, query in enumerate(asked):
            score = [
                sum(a * b for a, b in zip(query, c, strict=True)) / temperature for c in candidates
            ]
            total -= (score[i] - math.log(sum(map(math.exp, score)))) / 2
    return total


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("learned", [False, True])
def test_loss_is_that_of_the_slow_reference(temperature: float, learned: bool) -> None:
    objective = objective_of(temperature=temperature, learned=learned)
    # Views may be of other lengths; two rows lack one of the views.
    batch = some([7, 3, 1, 0, 5], [4, 9, 2, 3, 0])
    assert loss(objective, batch) == pytest.approx(slow(objective, batch, temperature), rel=1e-4)
    assert objective.count(objective.prepare(batch, draws(5))) == {"contrastive": 3}


def test_what_stands_in_the_padding_does_not_matter() -> None:
    batch = some([7, 3, 1], [4, 9, 2])
    other = {**batch}
    for name, length in (("tokens", "length"), ("view.tokens", "view.length")):
        behind = np.arange(batch[name].shape[1]) >= batch[length][:, None]
        other[name] = np.where(behind, 2, batch[name])
    assert loss(objective_of(), other) == pytest.approx(loss(objective_of(), batch), rel=1e-5)


@pytest.mark.parametrize("lengths", [[0, 0, 0], [0, 4, 0], [4]])
@pytest.mark.parametrize("pooling", ["mean", "first", "max"])
def test_rows_that_have_nobody_to_be_compared_with_ask_nothing(
    lengths: list[int], pooling: str
) -> None:
    objective = objective_of(pooling=pooling)
    made = objective.prepare(some(lengths, lengths), draws(len(lengths)))
    assert objective.count(made) == {"contrastive": 0}
    assert math.isnan(objective.baseline([made]))
    encoder, head = encoder_of(), head_of(objective)
    found = objective.losses(encoder, head, tensors(made))["contrastive"]
    assert float(found.detach()) == 0
    found.backward()
    for parameter in (*encoder.parameters(), *head.parameters()):
        assert parameter.grad is None or not parameter.grad.any()


def test_the_floor_is_chance_among_the_candidates_of_each_micro_batch() -> None:
    objective = objective_of()
    made = [objective.prepare(some([3] * n, [3] * n), draws(n)) for n in (8, 4, 1)]
    wanted = (8 * math.log(8) + 4 * math.log(4)) / 12
    assert objective.baseline(made) == pytest.approx(wanted)
    # Scores that are all alike say as much.
    head = torch.nn.Module()
    head.forward = lambda one, other: torch.zeros(len(one), len(other), requires_grad=True)
    total = sum(
        float(objective.losses(encoder_of(), head, tensors(m))["contrastive"].detach())
        for m in made
    )
    assert total / 12 == pytest.approx(wanted)


@pytest.mark.parametrize("temperature", [0.0101, 0.1, 1e6])
def test_float32_holds_the_scores_under_autocast(temperature: float) -> None:
    objective = objective_of(temperature=temperature)
    batch = some([7] * 16, [7] * 16)
    batch["view.tokens"] = batch["tokens"]
    made = tensors(objective.prepare(batch, draws(16)))
    head = head_of(objective)
    with torch.autocast("cpu", torch.bfloat16):
        found = objective.losses(encoder_of(), head, made)["contrastive"]
        scores = head(torch.randn(3, 8), torch.randn(3, 8))
    assert found.dtype == torch.float32
    assert math.isfinite(float(found.detach()))
    assert loss(objective, batch) == pytest.approx(float(found.detach()), rel=0.05, abs=0.05)
    with torch.autocast("cpu", enabled=False):
        assert head(torch.zeros(2, 8), torch.ones(2, 8)).isfinite().all()
    assert scores.isfinite().all()


def test_a_learned_temperature_moves_and_a_fixed_one_does_not() -> None:
    learned, fixed = objective_of(learned=True), objective_of()
    assert not [name for name, _ in head_of(fixed).named_parameters() if "project" not in name]
    head = head_of(learned)
    assert head.warmth is not None
    batch = tensors(learned.prepare(some([7] * 8, [7] * 8), draws(8)))
    learned.losses(encoder_of(), head, batch)["contrastive"].backward()
    assert head.warmth.grad is not None
    assert float(head.warmth.grad) != 0
    with torch.no_grad():
        head.warmth.fill_(-100.0)
    unit = head.vectors(torch.randn(2, 8))
    assert float(head(torch.eye(8)[:2], torch.eye(8)[:2]).detach()[0, 0]) == pytest.approx(100)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(2))


def test_it_learns_which_views_belong_together() -> None:
    """A view is the record backwards with some tokens changed."""
    objective = objective_of()
    encoder, head = encoder_of(), head_of(objective)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-2)
    for step in range(100):
        batch = some([12] * 16, [12] * 16, seed=step)
        noise = draws(16).uniform("noise", 12) < 0.1
        batch["view.tokens"] = np.where(noise, batch["view.tokens"], batch["tokens"][:, ::-1])
        made = objective.prepare(batch, draws(16))
        mean = objective.losses(encoder, head, tensors(made))["contrastive"] / 16
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
    assert float(mean.detach()) < 0.5 * objective.baseline([made])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": 0.01}, "temperature is above 0.01"),
        ({"temperature": math.inf}, "temperature is above 0.01"),
        ({"temperature": math.nan}, "temperature is above 0.01"),
        ({"projection": 0}, "projection is at least 1"),
        ({"weight": -1.0}, "weight is above 0"),
    ],
)
def test_settings_that_cannot_be(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrastive.Settings(**changed)
