"""Next sentence: half of the second segments are from other rows, and topics tell, nothing else."""

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
from sslkit.objectives import next_sentence, sentence_order
from sslkit.types import Arrays, Batch

SPEC = {"tokens": Ids(("length",), 40)}
TOKENS = token_ids(SPEC)


def objective_of(spec: Spec) -> next_sentence.Objective:
    return next_sentence.Objective(next_sentence.Settings(), spec)


def draws(rows: int, step: int = 0) -> rng.Counter:
    return rng.Counter(1, step, np.arange(rows))


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


def slow(batch: Arrays, spec: Spec) -> dict[int, Any]:
    """What rows become, their separator and label, by the number of the row."""
    rows = len(batch["tokens"])
    drawn = {
        name: draws(rows).uniform(name, 1)[:, 0] for name in ("cut", "order", "shortened", "taken")
    }
    middle = {}
    for row in range(rows):
        stop = int(batch["length"][row]) - token_ids(spec).overlap
        quarter = max(stop / 4, 1)
        able = [
            c
            for c in range(int(batch["length"][row]))
            if batch["boundary"][row, c] and quarter <= c <= stop - quarter
        ]
        if able:
            middle[row] = able[int(drawn["cut"][row] * np.float32(len(able)))]
    if len(middle) < 2:
        return {}
    order = sorted(middle, key=lambda row: drawn["order"][row])
    made = {}
    for place, row in enumerate(order):
        other = order[place - 1]
        behind = [
            batch["tokens"][
                one, middle[one] + token_ids(spec).overlap : batch["length"][one]
            ].tolist()
            for one in (row, other)
        ]
        most = min(map(len, behind))
        share = 1 - np.float32(0.25) * drawn["shortened"][row]
        size = 1 + int((most - 1) * float(np.float32(share)))
        odd = bool(drawn["taken"][row] < 0.5)
        first = batch["tokens"][row, : middle[row]].tolist()
        made[row] = [*first, token_ids(spec).separator, *behind[odd][:size]], middle[row], odd
    return made


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
    batch = some(spec, lengths, seed, rate)
    made = objective_of(spec).prepare(batch, draws(len(lengths)))
    expected = slow(batch, spec)
    assert made["rows"].tolist() == sorted(expected)
    for pair, row in enumerate(made["rows"]):
        tokens, middle, odd = expected[row]
        assert made["tokens"][row, : made["length"][row]].tolist() == tokens
        assert (made["tokens"][row, made["length"][row] :] == token_ids(spec).pad).all()
        assert made["middle"][pair] == middle
        assert made["odd"][pair] == odd
    for row in set(range(len(lengths))) - set(expected):
        assert made["tokens"][row, :-1].tolist() == batch["tokens"][row].tolist()
        assert made["length"][row] == batch["length"][row]


def test_segments_come_from_the_row_itself_or_from_another() -> None:
    spec = {"tokens": Ids(("length",), 10_000)}
    batch = some(spec, [60] * 200)
    batch["tokens"] = np.arange(200)[:, None] * 60 + np.arange(60)
    made = objective_of({"tokens": Ids(("length",), 12_000)}).prepare(batch, draws(200))
    assert len(made["rows"]) > 190
    assert 0.4 < made["odd"].mean() < 0.6
    taken = []
    for row, middle, odd in zip(made["rows"], made["middle"], made["odd"], strict=True):
        second = made["tokens"][row, middle + 1 : made["length"][row]]
        assert (second[0] // 60 != row) == odd
        assert batch["boundary"][second[0] // 60, second[0] % 60]
        assert (np.diff(second) == 1).all()
        taken.append(int(second[0]))
    assert made["tokens"].shape == (200, 61)


def test_lengths_do_not_tell() -> None:
    generator = np.random.default_rng(3)
    lengths = generator.integers(20, 65, 6000).tolist()
    made = objective_of(SPEC).prepare(some(SPEC, lengths), draws(6000))
    first = made["middle"].astype(float)
    second = made["length"][made["rows"]] - 1 - first
    odd = made["odd"] > 0
    for seen in (first, second, first + second, first / second):
        spread = seen.std() * math.sqrt(4 / len(seen))
        assert abs(seen[odd].mean() - seen[~odd].mean()) < 3 * spread


def test_padding_changes_nothing() -> None:
    batch = some(SPEC, [40, 33, 5, 0, 40, 21, 17, 40])
    objective = objective_of(SPEC)
    whole = objective.prepare(batch, draws(8))
    wide = {name: np.pad(v, ((0, 0), (0, 9))) if v.ndim > 1 else v for name, v in batch.items()}
    padded = objective.prepare(wide, draws(8))
    for name in ("rows", "middle", "odd", "length"):
        assert padded[name].tolist() == whole[name].tolist()
    for row, size in enumerate(whole["length"]):
        assert padded["tokens"][row, :size].tolist() == whole["tokens"][row, :size].tolist()


@pytest.mark.parametrize(("lengths", "rate"), [([0, 0], 0.5), ([30], 0.5), ([30, 30], 0.0)])
def test_nothing_to_ask(lengths: list[int], rate: float) -> None:
    objective = objective_of(SPEC)
    made = objective.prepare(some(SPEC, lengths, rate=rate), draws(len(lengths)))
    assert objective.count(made) == {"next-sentence": 0}
    assert math.isnan(objective.baseline([made]))
    encoder, head = model_of(objective)
    loss = objective.losses(encoder, head, tensors(made))["next-sentence"]
    loss.backward()
    assert float(loss.detach()) == 0


def model_of(objective: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    shape = transformer.Settings(blocks=1, width=32, heads=2)
    return transformer.Model(shape, SPEC), objective.head(32)


def written(rows: int, seed: int, topics: int) -> Arrays:
    """Windows of texts on a topic each, whose words are in no order.

    Sentences can be told by their first and last words.
    """
    generator = np.random.default_rng(seed)
    shape = rows, 32
    begins = generator.random((rows, 33)) < 1 / 6
    topic = generator.integers(0, topics, (rows, 1))
    tokens = 4 + topic * 9 + generator.integers(0, 9, shape)
    tokens[begins[:, :-1]] = generator.integers(0, 2, int(begins[:, :-1].sum()))
    tokens[begins[:, 1:]] = 2
    length = generator.integers(20, 33, rows)
    return {"tokens": tokens, "length": length, "boundary": begins[:, :-1]}


def learned(objective: Any, name: str, topics: int, steps: int) -> float:
    """The loss on new text after so many steps."""
    encoder, head = model_of(objective)
    moving = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(moving, lr=3e-3)
    for step in range(steps):
        made = objective.prepare(written(64, step, topics), draws(64, step))
        loss = objective.losses(encoder, head, tensors(made))[name]
        optimizer.zero_grad()
        (loss / objective.count(made)[name]).backward()
        optimizer.step()
    made = objective.prepare(written(1000, 10**6, topics), draws(1000, 10**6))
    with torch.no_grad():
        loss = objective.losses(encoder, head, tensors(made))[name]
    return float(loss) / objective.count(made)[name]


def test_topics_are_learned_quickly_and_say_nothing_of_order() -> None:
    # Where one of four texts has the same topic, nothing better than .31 can be said.
    assert learned(objective_of(SPEC), "next-sentence", 4, 120) < 0.4
    order = sentence_order.Objective(sentence_order.Settings(), SPEC)
    assert learned(order, "sentence-order", 4, 120) > 0.68


def test_nothing_but_the_words_tells() -> None:
    """Neither lengths nor the first and last words of segments do."""
    assert learned(objective_of(SPEC), "next-sentence", 1, 120) > 0.68
