"""Denoising: the loss is the formula's, the baseline Bayes' rule spelled out, context is used."""

import itertools
import math

import numpy as np
import pytest
import torch
from states import states

from sslkit import rng
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.domains import genome
from sslkit.domains.biology import bases
from sslkit.models import transformer
from sslkit.objectives import denoise
from sslkit.types import Array, Arrays, Batch
from sslkit.vocab.vocabulary import Vocabulary

LETTERS = np.array(list(itertools.product(range(4), repeat=2)))
COUNTS = np.arange(1, 17) ** 2


def spec_of(kind: str) -> Spec:
    """Tokens of two letters each, or the same number of tokens without parts."""
    return {
        "tokens": Ids(
            ("length",), 16, parts=LETTERS + 4 * np.arange(2) if kind == "parts" else None
        )
    }


def objective_of(spec: Spec) -> denoise.Objective:
    return denoise.Objective(denoise.Settings(), spec, COUNTS[: token_ids(spec).size])


def some(spec: Spec, lengths: list[int], seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    shape = len(lengths), max(lengths)
    tokens = generator.integers(0, token_ids(spec).size, shape)
    corrupted = np.where(generator.random(shape) < 0.3, generator.integers(0, 16, shape), tokens)
    tokens[generator.random(shape) < 0.1] = token_ids(spec).unknown
    corrupted[generator.random(shape) < 0.1] = token_ids(spec).unknown
    behind = np.arange(shape[1]) >= np.array(lengths)[:, None]
    for array in (tokens, corrupted):
        array[behind] = token_ids(spec).pad
    weight = generator.random(shape).astype(np.float32)
    length = np.array(lengths)
    return {"tokens": tokens, "corrupted": corrupted, "length": length, "token_weight": weight}


def draws(rows: int) -> rng.Counter:
    return rng.Counter(1, 0, np.arange(rows))


def tensors(arrays: Arrays) -> Batch:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def encoder_of(spec: Spec, blocks: int = 1) -> transformer.Model:
    torch.manual_seed(0)
    return transformer.Model(transformer.Settings(blocks=blocks, width=16, heads=2), spec)


def test_every_known_clean_token_is_asked_of_what_is_shown_in_its_place() -> None:
    spec = spec_of("whole")
    batch = some(spec, [12, 5, 0, 1])
    made = objective_of(spec).prepare(batch, draws(4))
    assert np.array_equal(made["tokens"], batch["corrupted"])
    wanted = [
        (row * 13 + column + 1, batch["tokens"][row, column], batch["token_weight"][row, column])
        for row in range(4)
        for column in range(batch["length"][row])
        if batch["tokens"][row, column] < token_ids(spec).size
    ]
    found = zip(made["positions"], made["targets"], made["weight"], strict=True)
    assert list(found) == wanted
    assert 10 < len(wanted) < 18


def test_without_weights_all_tokens_count_alike() -> None:
    spec = spec_of("whole")
    batch = some(spec, [12, 5])
    del batch["token_weight"]
    made = objective_of(spec).prepare(batch, draws(2))
    assert objective_of(spec).count(made) == {"denoise": len(made["targets"])}


def test_loss_is_the_weighted_sum_of_explicit_log_softmaxes() -> None:
    spec = spec_of("parts")
    objective, encoder = objective_of(spec), encoder_of(spec)
    head = objective.head(16)
    batch = some(spec, [12, 5, 0, 1])
    made = objective.prepare(batch, draws(4))
    with torch.no_grad():
        found = objective.losses(encoder, head, tensors(made))
        given = (torch.from_numpy(batch[name]) for name in ("corrupted", "length"))
        hidden = states(encoder, *given)
        wanted = weights = 0.0
        for row, column in itertools.product(range(4), range(12)):
            target = batch["tokens"][row, column]
            if column >= batch["length"][row] or target >= token_ids(spec).size:
                continue
            scores = head(hidden[row, column]).double().tolist()
            weight = float(batch["token_weight"][row, column])
            wanted -= weight * (scores[target] - math.log(sum(map(math.exp, scores))))
            weights += weight
    assert float(found["denoise"]) == pytest.approx(wanted, rel=1e-5)
    assert objective.count(made)["denoise"] == pytest.approx(weights)


def test_what_stands_in_the_padding_and_how_rows_are_cut_do_not_matter() -> None:
    spec = spec_of("parts")
    objective, encoder = objective_of(spec), encoder_of(spec)
    head = objective.head(16)

    def loss(batch: Arrays) -> float:
        made = objective.prepare(batch, draws(len(batch["length"])))
        with torch.no_grad():
            return float(objective.losses(encoder, head, tensors(made))["denoise"])

    batch = some(spec, [12, 5, 3])
    whole = loss(batch)
    behind = np.arange(12) >= batch["length"][:, None]
    other = {**batch}
    for name in ("tokens", "corrupted"):
        other[name] = np.where(behind, 3, batch[name])
    assert loss(other) == pytest.approx(whole, rel=1e-5)
    cut = [{name: array[i : i + 1] for name, array in batch.items()} for i in range(3)]
    assert sum(map(loss, cut)) == pytest.approx(whole, rel=1e-5)


def slow_floor(batch: Arrays, parts: list[tuple[int, ...]], sizes: list[int]) -> float:
    """Bayes' rule over the whole vocabulary, token by token."""
    share = [(c + 1) / (sum(COUNTS) + 16) for c in COUNTS.tolist()]
    pairs = [
        (int(batch["corrupted"][row, column]), int(batch["tokens"][row, column]), row, column)
        for row in range(len(batch["length"]))
        for column in range(batch["length"][row])
        if batch["tokens"][row, column] < 16
    ]
    changed = [
        a != b for y, x, *_ in pairs if y < 16 for a, b in zip(parts[y], parts[x], strict=True)
    ]
    error = sum(changed) / len(changed)

    def channel(y: int, x: int) -> float:
        chance = 1.0
        for a, b, size in zip(parts[y], parts[x], sizes, strict=True):
            chance *= 1 - error if a == b else error / (size - 1)
        return chance

    total = weights = 0.0
    for y, x, row, column in pairs:
        guess = share[x]
        if y < 16:
            guess *= channel(y, x) / sum(share[z] * channel(y, z) for z in range(16))
        weight = float(batch["token_weight"][row, column])
        total -= weight * math.log(guess)
        weights += weight
    return total / weights


@pytest.mark.parametrize("kind", ["parts", "whole"])
def test_the_floor_is_the_best_guess_from_the_shown_token_alone(kind: str) -> None:
    spec = spec_of(kind)
    objective = objective_of(spec)
    batch = some(spec, [40] * 10)
    parts = (
        [tuple(row) for row in LETTERS.tolist()] if kind == "parts" else [(i,) for i in range(16)]
    )
    wanted = slow_floor(batch, parts, [4, 4] if kind == "parts" else [16])
    made = objective.prepare(batch, draws(10))
    assert objective.baseline([made]) == pytest.approx(wanted)
    halves = [{n: a[at : at + 5] for n, a in batch.items()} for at in (0, 5)]
    cut = [objective.prepare(half, draws(5)) for half in halves]
    assert objective.baseline(cut) == pytest.approx(wanted)


def test_floors_without_errors_and_without_terms() -> None:
    spec = spec_of("parts")
    objective = objective_of(spec)
    batch = some(spec, [40] * 3)
    batch["corrupted"] = batch["tokens"]
    assert objective.baseline([objective.prepare(batch, draws(3))]) == pytest.approx(0, abs=1e-9)
    batch["length"][:] = 0
    assert math.isnan(objective.baseline([objective.prepare(batch, draws(3))]))
    batch = some(spec, [40] * 3)
    batch["corrupted"][:] = token_ids(spec).unknown
    share = (COUNTS + 1) / (COUNTS.sum() + 16)
    made = objective.prepare({n: a for n, a in batch.items() if n != "token_weight"}, draws(3))
    assert objective.baseline([made]) == pytest.approx(-np.log(share[made["targets"]]).mean())


def test_tokens_of_more_parts_than_a_table_holds_count_as_wholes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = some(spec_of("whole"), [40] * 3)
    baselines = []
    for kind in ("parts", "whole"):
        monkeypatch.setattr(denoise, "_CELLS", 15)
        objective = objective_of(spec_of(kind))
        baselines.append(objective.baseline([objective.prepare(batch, draws(3))]))
    assert baselines[0] == baselines[1]


def domain_of(k: int) -> genome.Domain:
    tokens = ["".join(letters) for letters in itertools.product("ACGT", repeat=k)]
    held = Vocabulary(tokens, np.ones(4**k, np.int64))
    return genome.Domain(genome.Settings(k=k, noise=0.1, both_strands=False), held)


def repeats(step: int) -> tuple[Array, rng.Counter]:
    """Reads of a repeated motif: the neighbours tell what an error has changed."""
    drawn = rng.Counter(1, step, np.arange(32))
    start = (drawn.uniform("start", 1) * 7).astype(np.int64)
    motif = bases.to_codes(b"ACGTTGC")
    return motif[(start + np.arange(28)) % 7], drawn


def test_it_learns_to_restore_what_its_neighbours_tell() -> None:
    domain = domain_of(2)
    objective = denoise.Objective(denoise.Settings(), domain.spec, np.full(16, 100))
    encoder, head = encoder_of(domain.spec, blocks=2), objective.head(16)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-2)
    for step in range(120):
        units, drawn = repeats(step)
        batch = domain.batch(units, np.full(32, 28), drawn, denoise.NEEDS)
        made = objective.prepare(batch, drawn)
        loss = objective.losses(encoder, head, tensors(made))["denoise"]
        mean = loss / objective.count(made)["denoise"]
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
    baseline = objective.baseline([made])
    assert float(mean.detach()) < 0.5 * baseline
    with torch.no_grad():
        given = (torch.from_numpy(made[name]) for name in ("tokens", "length"))
        hidden = states(encoder, *given, start=True)
        guessed = head(hidden.flatten(0, 1)[made["positions"]]).argmax(-1).numpy()
    shown = denoise._shown(made)
    wrong, right = shown != made["targets"], shown == made["targets"]
    assert (guessed == made["targets"])[wrong].mean() > 0.8
    assert (guessed != made["targets"])[right].mean() < 0.05
