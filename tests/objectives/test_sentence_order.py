"""Sentence order: whole sentences, half of them swapped, and only their order can be learned."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.models import transformer
from sslkit.objectives import sentence_order
from sslkit.types import Arrays, Batch


def objective_of(spec: Spec) -> sentence_order.Objective:
    return sentence_order.Objective(sentence_order.Settings(), spec)


def draws(rows: int, step: int = 0, first: int = 0) -> rng.Counter:
    return rng.Counter(1, step, np.arange(first, first + rows))


def some(spec: Spec, lengths: list[int], seed: int = 0, rate: float = 0.2) -> Arrays:
    """Random tokens and sentences; what stands behind a row must not matter."""
    generator = np.random.default_rng(seed)
    shape = len(lengths), max(lengths, default=0)
    return {
        "tokens": generator.integers(0, token_ids(spec).size, shape),
        "length": np.array(lengths, np.int64),
        "boundary": generator.random(shape) < rate,
    }


def tensors(made: Arrays) -> Batch:
    return {name: torch.from_numpy(value) for name, value in made.items()}


def slow(batch: Arrays, spec: Spec, row: int, cut: float, swap: float) -> Any:
    """What a row becomes, its separator and its label; None where it does not count."""
    begins = [c for c in range(int(batch["length"][row])) if batch["boundary"][row, c]]
    if not begins:
        return None
    start, stop = begins[0], begins[-1] - token_ids(spec).overlap
    quarter = max((stop - start) / 4, 1)
    able = [c for c in begins if start + quarter <= c <= stop - quarter]
    if not able:
        return None
    middle = able[int(np.float32(cut) * len(able))]
    tokens = batch["tokens"][row].tolist()
    one, two = tokens[start:middle], tokens[middle + token_ids(spec).overlap : begins[-1]]
    if swap < 0.5:
        one, two = two, one
    return [*one, token_ids(spec).separator, *two], len(one), swap < 0.5


@pytest.mark.parametrize("reach", [0, 2])
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
    st.integers(0, 99),
    st.sampled_from([0.05, 0.2, 0.9]),
)
def test_pairs_are_those_of_the_slow_reference(
    reach: int, lengths: list[int], seed: int, rate: float
) -> None:
    spec = {"tokens": Ids(("length",), 50, overlap=reach)}
    batch = some(spec, [*lengths, 40], seed, rate)
    rows = len(lengths) + 1
    made = objective_of(spec).prepare(batch, draws(rows))
    cut, swap = draws(rows).uniform("cut", 1)[:, 0], draws(rows).uniform("swapped", 1)[:, 0]
    expected = [slow(batch, spec, row, cut[row], swap[row]) for row in range(rows)]
    assert made["rows"].tolist() == [row for row in range(rows) if expected[row]]
    for pair, row in enumerate(made["rows"]):
        tokens, middle, odd = expected[row]
        assert made["tokens"][row, : made["length"][row]].tolist() == tokens
        assert (made["tokens"][row, made["length"][row] :] == token_ids(spec).pad).all()
        assert made["middle"][pair] == middle
        assert made["odd"][pair] == odd
    for row in set(range(rows)) - set(made["rows"].tolist()):
        assert made["tokens"][row, :-1].tolist() == batch["tokens"][row].tolist()
        assert made["length"][row] == batch["length"][row]


def test_segments_share_nothing_where_tokens_overlap() -> None:
    spec = {"tokens": Ids(("length",), 1000, overlap=3)}
    batch = some(spec, [60] * 50)
    # Tokens say where they stood.
    batch["tokens"] = np.tile(np.arange(60), (50, 1))
    made = objective_of(spec).prepare(batch, draws(50))
    assert len(made["rows"]) > 40
    for row, middle in zip(made["rows"], made["middle"], strict=True):
        one, two = made["tokens"][row, :middle], made["tokens"][row, middle + 1 :]
        two = two[two < token_ids(spec).size]
        assert len(one)
        assert len(two)
        assert min(abs(one[0] - two[-1]), abs(two[0] - one[-1])) == 4


def test_lengths_do_not_tell_the_order() -> None:
    spec = {"tokens": Ids(("length",), 50)}
    made = objective_of(spec).prepare(some(spec, [64] * 6000), draws(6000))
    first = made["middle"].astype(float)
    second = made["length"][made["rows"]] - 1 - first
    odd = made["odd"] > 0
    assert abs(odd.mean() - 0.5) < 0.02
    for seen in (first, second, first + second, np.abs(first - second)):
        spread = seen.std() * math.sqrt(4 / len(seen))
        assert abs(seen[odd].mean() - seen[~odd].mean()) < 3 * spread


def test_padding_and_micro_batches_change_nothing() -> None:
    spec = {"tokens": Ids(("length",), 50)}
    batch = some(spec, [40, 33, 5, 0, 40, 21, 17, 40])
    objective = objective_of(spec)
    whole = objective.prepare(batch, draws(8))
    wide = {name: np.pad(v, ((0, 0), (0, 9))) if v.ndim > 1 else v for name, v in batch.items()}
    padded = objective.prepare(wide, draws(8))
    assert padded["rows"].tolist() == whole["rows"].tolist()
    for row in whole["rows"]:
        size = whole["length"][row]
        assert padded["tokens"][row, :size].tolist() == whole["tokens"][row, :size].tolist()
    torch.manual_seed(0)
    encoder, head = model_of(spec, objective)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)

    def loss(made: Arrays) -> float:
        return float(objective.losses(encoder, head, tensors(made))["sentence-order"].detach())

    parts = [
        objective.prepare({name: v[at : at + 3] for name, v in batch.items()}, draws(3, first=at))
        for at in (0, 3)
    ]
    parts.append(objective.prepare({name: v[6:] for name, v in batch.items()}, draws(2, first=6)))
    sums = [loss(padded), sum(loss(part) for part in parts)]
    assert sums == pytest.approx([loss(whole)] * 2, rel=1e-5)
    assert sum(objective.count(p)["sentence-order"] for p in parts) == len(whole["rows"])


def model_of(spec: Spec, objective: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    shape = transformer.Settings(blocks=1, width=32, heads=2)
    return transformer.Model(shape, spec), objective.head(32)


def test_the_loss_is_the_formula() -> None:
    spec = {"tokens": Ids(("length",), 20)}
    objective = objective_of(spec)
    made = objective.prepare(some(spec, [30] * 6), draws(6))
    encoder, head = model_of(spec, objective)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    batch = tensors(made)
    found = objective.losses(encoder, head, batch)
    assert list(found) == list(objective.count(made)) == ["sentence-order"]
    weights = {name: value.double().numpy() for name, value in head.state_dict().items()}

    def norm(x: Any) -> Any:
        x = (x - x.mean()) / math.sqrt(x.var() + 1e-5)
        return x * weights["norm.weight"] + weights["norm.bias"]

    wanted = 0.0
    with torch.no_grad():
        states = encoder(batch).values.double().numpy()
    for row, middle, odd in zip(made["rows"], made["middle"], made["odd"], strict=True):
        one = norm(states[row, :middle].mean(0))
        two = norm(states[row, middle + 1 : made["length"][row]].mean(0))
        seen = np.concatenate([one, two, one * two, norm(states[row, middle])])
        hidden = weights["hidden.weight"] @ seen + weights["hidden.bias"]
        hidden = np.array([x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in hidden])
        score = float((weights["out.weight"] @ hidden + weights["out.bias"])[0])
        share = 1 / (1 + math.exp(-score))
        wanted -= math.log(share if odd else 1 - share)
    assert float(found["sentence-order"].detach()) == pytest.approx(wanted, rel=1e-5)


def test_chance_is_where_a_fresh_head_begins() -> None:
    spec = {"tokens": Ids(("length",), 20)}
    objective = objective_of(spec)
    made = objective.prepare(some(spec, [30] * 6), draws(6))
    encoder, head = model_of(spec, objective)
    loss = objective.losses(encoder, head, tensors(made))["sentence-order"]
    assert float(loss.detach()) / len(made["rows"]) == pytest.approx(objective.baseline([made]))
    assert objective.baseline([made]) == math.log(2)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [3, 2], [30, 30]])
def test_nothing_to_ask(lengths: list[int]) -> None:
    spec = {"tokens": Ids(("length",), 20)}
    objective = objective_of(spec)
    made = objective.prepare(some(spec, lengths, rate=0.0), draws(len(lengths)))
    assert objective.count(made) == {"sentence-order": 0}
    assert math.isnan(objective.baseline([made]))
    encoder, head = model_of(spec, objective)
    loss = objective.losses(encoder, head, tensors(made))["sentence-order"]
    loss.backward()
    assert float(loss.detach()) == 0


SPEC = {"tokens": Ids(("length",), 40)}
TOKENS = token_ids(SPEC)


def written(rows: int, seed: int, ordered: bool) -> Arrays:
    """Windows of texts whose sentences can be told by their first and last words.

    Words are of 36 kinds; where texts have an order, later ones stand further on in it.
    """
    generator = np.random.default_rng(seed)
    shape = rows, 32
    begins = generator.random((rows, 33)) < 1 / 6
    place = np.broadcast_to(np.arange(32), shape) if ordered else generator.integers(0, 32, shape)
    tokens = 4 + (place + generator.integers(0, 5, shape)) % 36
    tokens[begins[:, :-1]] = generator.integers(0, 2, int(begins[:, :-1].sum()))
    tokens[begins[:, 1:]] = 2
    return {"tokens": tokens, "length": np.full(rows, 32), "boundary": begins[:, :-1]}


def learned(objective: Any, name: str, text: Any, steps: int) -> float:
    """The loss on new text after so many steps."""
    encoder, head = model_of(SPEC, objective)
    moving = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(moving, lr=3e-3)
    for step in range(steps):
        made = objective.prepare(text(64, step), draws(64, step))
        loss = objective.losses(encoder, head, tensors(made))[name]
        optimizer.zero_grad()
        (loss / objective.count(made)[name]).backward()
        optimizer.step()
    made = objective.prepare(text(1000, 10**6), draws(1000, 10**6))
    with torch.no_grad():
        loss = objective.losses(encoder, head, tensors(made))[name]
    return float(loss) / objective.count(made)[name]


def test_order_is_learned_where_there_is_one() -> None:
    loss = learned(objective_of(SPEC), "sentence-order", lambda n, s: written(n, s, True), 60)
    assert loss < 0.1


def test_nothing_but_order_tells() -> None:
    """Neither lengths nor the first and last words of segments do."""
    loss = learned(objective_of(SPEC), "sentence-order", lambda n, s: written(n, s, False), 120)
    assert loss > 0.68
