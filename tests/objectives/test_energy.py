"""Energies: noise is drawn and accounted for exactly, and what is learned is the log-density."""

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from sslkit import rng
from sslkit.contracts.encoder import States
from sslkit.contracts.spec import Ids, token_ids
from sslkit.errors import UsageError
from sslkit.models import transformer
from sslkit.objectives import energy
from sslkit.types import Array, Arrays, Batch

COUNTS = np.array([50, 20, 9, 4, 1])


def objective_of(reach: int = 0, size: int = 5, **changed: Any) -> energy.Objective:
    return energy.Objective(
        energy.Settings(**changed), {"tokens": Ids(("length",), size, reach)}, COUNTS[:size]
    )


def some(lengths: list[int], seed: int = 0, size: int = 5) -> Arrays:
    spec = {"tokens": Ids(("length",), size)}
    generator = np.random.default_rng(seed)
    shape = len(lengths), max(lengths)
    tokens = generator.integers(0, size, shape)
    tokens[generator.random(shape) < 0.1] = token_ids(spec).unknown
    corrupted = np.where(generator.random(shape) < 0.3, generator.integers(0, size, shape), tokens)
    for array in (tokens, corrupted):
        array[np.arange(shape[1]) >= np.array(lengths)[:, None]] = token_ids(spec).pad
    return {"tokens": tokens, "length": np.array(lengths), "corrupted": corrupted}


def draws(rows: int, step: int = 0, first: int = 0) -> rng.Counter:
    return rng.Counter(1, step, np.arange(first, first + rows))


def tensors(arrays: Arrays) -> Batch:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def parts_of(objective: energy.Objective, blocks: int = 1) -> tuple[transformer.Model, energy.Head]:
    """An encoder and a head whose energies differ from record to record."""
    torch.manual_seed(0)
    shape = transformer.Settings(blocks=blocks, width=16, heads=2)
    head = objective.head(16)
    assert isinstance(head, energy.Head)
    torch.nn.init.normal_(head.out.weight)
    return transformer.Model(shape, {"tokens": objective.tokens}), head


def share() -> list[float]:
    return [(count + 1) / (sum(COUNTS) + 5) for count in COUNTS.tolist()]


def test_noise_is_the_record_with_a_share_of_its_tokens_drawn_anew() -> None:
    objective = objective_of(rate=0.25, copies=2)
    lengths = [40, 17, 2, 1, 0]
    batch = some(lengths)
    batch["tokens"][2] = objective.tokens.unknown
    made = objective.prepare(batch, draws(5))
    assert made["noise"].shape == (5, 2, 40)
    assert made["rows"].tolist() == [0, 1, 2, 3]
    known = batch["tokens"] < 5
    for copy in range(2):
        changed = made["noise"][:, copy] != batch["tokens"]
        assert not changed[~known].any()
        # A draw may be what stood there.
        most = [max(1, round(0.25 * n)) for n in known.sum(1)]
        assert (changed.sum(1) <= most).all()
        assert changed[0].sum() > 2
    assert not np.array_equal(made["noise"][:, 0], made["noise"][:, 1])


def test_what_is_drawn_follows_the_counts_and_every_place_is_as_likely() -> None:
    objective = objective_of(rate=0.2)
    # Of a token outside the vocabulary's drawn ones, so that every replacement shows.
    objective.tokens = Ids(("length",), 6)
    tokens = np.full((400, 10), 5)
    found, places = np.zeros(6), np.zeros(10)
    for step in range(10):
        batch = {"tokens": tokens, "length": np.full(400, 10)}
        noise = objective.prepare(batch, draws(400, step))["noise"][:, 0]
        assert ((noise != 5).sum(1) == 2).all()
        found += np.bincount(noise.ravel(), minlength=6)
        places += (noise != 5).sum(0)
    np.testing.assert_allclose(found[:5] / 8000, share(), atol=0.015)
    np.testing.assert_allclose(places / 8000, 0.1, atol=0.012)


def test_a_rare_token_of_a_large_vocabulary_is_drawn_too() -> None:
    """24 bits would step over the last tokens, each of which has a share of 2e-9."""
    counts = np.ones(1000, np.int64)
    counts[0] = 500_000_000
    objective = energy.Objective(
        energy.Settings(rate=1.0), {"tokens": Ids(("length",), 1000)}, counts
    )
    batch = {"tokens": np.zeros((1000, 500), np.int64), "length": np.full(1000, 500)}
    drawn = [objective.prepare(batch, draws(1000, step))["noise"] for step in range(8)]
    rare = np.concatenate([noise[noise > 0] for noise in drawn])
    # 16 are expected; those that 24 bits allow for are 34 of the 999.
    assert 5 <= len(rare) <= 35
    assert len(np.unique(rare % 30)) > 4


def test_a_row_is_alike_in_any_company() -> None:
    objective = objective_of(rate=0.3)
    batch = some([30, 12, 5])
    together = objective.prepare(batch, draws(3))["noise"]
    for row, length in enumerate([30, 12, 5]):
        alone = {"tokens": batch["tokens"][row : row + 1, :length], "length": np.array([length])}
        one = objective.prepare(alone, draws(1, first=row))["noise"]
        assert np.array_equal(one[0, 0], together[row, 0, :length])


def log_chance(one: Array, other: Array, count: int, known: list[int]) -> float:
    """Logarithm of the chance that noise makes the second record of the first, in loops."""
    total = 0.0
    subsets = list(itertools.combinations(known, count))
    for places in subsets:
        chance = 1 / len(subsets)
        for i in range(len(one)):
            if i in places:
                chance *= share()[other[i]]
            elif one[i] != other[i]:
                chance = 0.0
        total += chance
    return math.log(total)


@pytest.mark.parametrize("copies", [1, 3])
def test_loss_is_conditional_nce_in_loops(copies: int) -> None:
    objective = objective_of(rate=0.4, copies=copies)
    encoder, head = parts_of(objective)
    batch = some([7, 5, 1, 0])
    made = objective.prepare(batch, draws(4))

    def of(tokens: npt.NDArray[np.int64]) -> float:
        length = torch.tensor([len(tokens)])
        own = {"tokens": torch.from_numpy(tokens)[None].clone(), "length": length}
        found = objective.energies(encoder, head, own)
        return float(found)

    with torch.no_grad():
        found = float(objective.losses(encoder, head, tensors(made))["energy"])
        wanted = 0.0
        for row, length in enumerate([7, 5, 1]):
            x = batch["tokens"][row, :length]
            known = [i for i in range(length) if x[i] < 5]
            count = max(1, round(0.4 * len(known)))
            for copy in range(copies):
                noise = made["noise"][row, copy, :length]
                odds = 0.0
                if known:
                    odds = log_chance(x, noise, count, known) - log_chance(noise, x, count, known)
                g = of(noise) - of(x) + odds
                wanted += math.log1p(math.exp(-g)) / copies
    assert found == pytest.approx(wanted, rel=1e-4)
    assert objective.count(made) == {"energy": 3}
    assert objective.baseline([made]) == pytest.approx(math.log(2))


def test_where_tokens_overlap_the_domain_makes_the_noise() -> None:
    objective = objective_of(reach=2)
    encoder, head = parts_of(objective)
    batch = some([7, 5, 1, 0])
    made = objective.prepare(batch, draws(4))
    assert np.array_equal(made["noise"][:, 0], batch["corrupted"])
    with torch.no_grad():
        found = float(objective.losses(encoder, head, tensors(made))["energy"])
        length = torch.from_numpy(batch["length"])
        x, noise = (
            objective.energies(
                encoder, head, {"tokens": torch.from_numpy(batch[name]), "length": length}
            ).tolist()
            for name in ("tokens", "corrupted")
        )
    wanted = sum(math.log1p(math.exp(a - b)) for a, b in zip(x[:3], noise[:3], strict=True))
    assert found == pytest.approx(wanted, rel=1e-4)
    own = [-math.log(share()[t] if t < 5 else min(share())) / 3 for t in range(9)]
    odds = [
        sum(own[noise] - own[x] for x, noise in zip(one[:length], other[:length], strict=True))
        for one, other, length in zip(
            batch["tokens"], batch["corrupted"], batch["length"], strict=True
        )
    ]
    assert made["odds"][:, 0].tolist() == pytest.approx(odds, rel=1e-4, abs=1e-6)
    assert {"corrupted"} == energy.OVERLAP_NEEDS
    with pytest.raises(UsageError, match="one noise copy where tokens overlap, not 2"):
        objective_of(reach=1, copies=2)


def test_the_floor_is_what_the_counts_tell_where_tokens_overlap() -> None:
    objective = objective_of(reach=1)
    batches = []
    for seed in (0, 1):
        batch = some([20] * 8, seed)
        # More of what is frequent than noise has.
        batch["tokens"] = np.where(batch["tokens"] < 5, batch["tokens"] // 2, batch["tokens"])
        batches.append(objective.prepare(batch, draws(8)))
    odds = np.concatenate([made["odds"] for made in batches])
    losses = [float(np.log1p(np.exp(-t * odds)).mean()) for t in np.linspace(0, 8, 1601)]
    assert objective.baseline(batches) == pytest.approx(min(losses), abs=1e-4)
    assert objective.baseline(batches) < 0.9 * losses[0]
    # Counts that tell less than nothing are not trusted.
    for made in batches:
        made["odds"] = -made["odds"]
    assert objective.baseline(batches) == pytest.approx(math.log(2))


def test_it_begins_with_chance_and_with_what_the_counts_say() -> None:
    objective = objective_of(copies=2)
    encoder, _ = parts_of(objective)
    head = objective.head(16)
    batch = some([7, 5, 1])
    made = objective.prepare(batch, draws(3))
    with torch.no_grad():
        found = objective.losses(encoder, head, tensors(made))
        held = tensors(batch)
        energies = objective.energies(encoder, head, held)
    assert float(found["energy"]) == pytest.approx(3 * math.log(2))
    rarest = min(share())
    for row, length in enumerate([7, 5, 1]):
        tokens = batch["tokens"][row, :length].tolist()
        wanted = -sum(math.log(share()[token] if token < 5 else rarest) for token in tokens)
        assert float(energies[row]) == pytest.approx(wanted, rel=1e-5)


def test_what_stands_in_the_padding_and_how_rows_are_cut_do_not_matter() -> None:
    objective = objective_of(rate=0.4)
    encoder, head = parts_of(objective)
    batch = objective.prepare(some([7, 5, 1]), draws(3))

    def both(made: Arrays) -> tuple[float, list[float]]:
        with torch.no_grad():
            held = tensors(made)
            loss = objective.losses(encoder, head, held)["energy"]
            energies = objective.energies(encoder, head, held)
        return float(loss), energies.tolist()

    loss, energies = both(batch)
    behind = np.arange(7) >= batch["length"][:, None]
    other = {
        **batch,
        "tokens": np.where(behind, 3, batch["tokens"]),
        "noise": np.where(behind[:, None], 1, batch["noise"]),
    }
    assert both(other)[0] == pytest.approx(loss, rel=1e-5)
    assert both(other)[1] == pytest.approx(energies, rel=1e-5)
    cut = [{name: array[i : i + 1] for name, array in batch.items()} for i in range(3)]
    for one in cut:
        one["rows"] = np.array([0])
    assert sum(both(one)[0] for one in cut) == pytest.approx(loss, rel=1e-5)
    assert [both(one)[1][0] for one in cut] == pytest.approx(energies, rel=1e-5)


def test_batches_without_tokens_ask_nothing() -> None:
    objective = objective_of()
    encoder, head = parts_of(objective)
    batch = {"tokens": np.full((2, 3), objective.tokens.pad), "length": np.array([0, 0])}
    made = objective.prepare(batch, draws(2))
    assert objective.count(made) == {"energy": 0}
    assert math.isnan(objective.baseline([made]))
    loss = objective.losses(encoder, head, tensors(made))["energy"]
    assert float(loss.detach()) == 0
    loss.backward()
    held = tensors(batch)
    with torch.no_grad():
        energies = objective.energies(encoder, head, held)
    assert energies.tolist() == [0, 0]


class Table(nn.Module):
    """An encoder of records of three tokens that has a vector for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, 32)

    def forward(self, batch: Batch) -> States:
        found: Tensor = self.table(batch["tokens"] @ torch.tensor([16, 4, 1]))
        return States(found[:, None].expand(-1, 3, -1), None)


def density() -> npt.NDArray[np.float64]:
    """Of records of 3 tokens over 4 letters, which depend on each other."""
    generator = np.random.default_rng(3)
    near, far = generator.normal(0, 0.5, (2, 4, 4))
    scores = near[:, :, None] + near[None] + far[:, None] + generator.normal(0, 0.3, (4, 4, 4))
    found: npt.NDArray[np.float64] = np.exp(scores).ravel()
    return found / found.sum()


def train(
    objective: energy.Objective, encoder: nn.Module, head: nn.Module, batches: Iterable[Arrays]
) -> None:
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    for step, batch in enumerate(batches):
        rows = len(batch["length"])
        made = objective.prepare(batch, draws(rows, step))
        optimizer.zero_grad()
        (objective.losses(encoder, head, tensors(made))["energy"] / rows).backward()
        optimizer.step()


@pytest.mark.parametrize("copies", [1, 2])
def test_energies_are_the_log_density_up_to_a_constant(copies: int) -> None:
    records = np.array(list(itertools.product(range(4), repeat=3)))
    chance = density()
    counts = np.array([1e6 * (chance[:, None] * (records == t)).sum() for t in range(4)])
    settings = energy.Settings(rate=0.4, copies=copies)
    objective = energy.Objective(settings, {"tokens": Ids(("length",), 4)}, counts.astype(np.int64))
    torch.manual_seed(0)
    encoder, head = Table(), objective.head(32)
    held = {"tokens": torch.from_numpy(records), "length": torch.full((64,), 3)}
    drawn = (draws(512, step).uniform("record", 1)[:, 0] for step in range(300))
    which = (np.minimum(np.searchsorted(chance.cumsum(), draw), 63) for draw in drawn)
    with torch.no_grad():
        before = objective.energies(encoder, head, held)
    length = np.full(512, 3)
    train(objective, encoder, head, ({"tokens": records[w], "length": length} for w in which))
    with torch.no_grad():
        energies = objective.energies(encoder, head, held).numpy()
    wanted = np.log(chance)
    assert np.corrcoef(wanted, -before)[0, 1] < 0.7
    assert np.corrcoef(wanted, -energies)[0, 1] > 0.97
    # Not only in order: a nat is a nat.
    assert np.polyfit(wanted, -energies, 1)[0] == pytest.approx(1, abs=0.1)
    order = np.argsort(wanted)
    assert energies[order[:8]].min() > energies[order[-8:]].max()


def test_an_encoder_finds_shuffled_records_less_plausible() -> None:
    """Records climb token by token; shuffled ones hold the same tokens."""
    objective = energy.Objective(
        energy.Settings(rate=0.2), {"tokens": Ids(("length",), 8)}, np.full(8, 100)
    )
    encoder, head = parts_of(objective)
    steps = [draws(64, step).uniform("start", 1) * 8 for step in range(61)]
    made = [(start.astype(np.int64) + np.arange(10)) % 8 for start in steps]
    length = np.full(64, 10)
    train(objective, encoder, head, ({"tokens": tokens, "length": length} for tokens in made[:60]))
    shuffled = np.random.default_rng(1).permuted(made[60], axis=1)
    with torch.no_grad():
        real, other = (
            objective.energies(encoder, head, tensors({"tokens": tokens, "length": length}))
            for tokens in (made[60], shuffled)
        )
    assert float((real[:, None] < other).float().mean()) > 0.99


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate": 0.0}, "rate is above 0"),
        ({"rate": 1.1}, "rate is above 0"),
        ({"copies": 0}, "copies is at least 1"),
        ({"weight": 0.0}, "weight is above 0"),
    ],
)
def test_settings_that_cannot_be(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        energy.Settings(**changed)
