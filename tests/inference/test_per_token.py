"""Every unit has the vector of the token that speaks for it, whatever windows and batches."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslkit.contracts.encoder import Encoder, States
from sslkit.domains import genome
from sslkit.engine.runtime import Runtime
from sslkit.inference import per_token
from sslkit.inference.per_token import Stretch
from sslkit.inference.windows import Plan
from sslkit.types import Array, Batch
from sslkit.vocab.vocabulary import Vocabulary

CPU = Runtime(torch.device("cpu"), "fp32", 1)


def domain_of(k: int, stride: int) -> genome.Domain:
    tokens = ["".join(letters) for letters in itertools.product("ACGT", repeat=k)]
    held = Vocabulary(tokens, np.ones(len(tokens), np.int64))
    return genome.Domain(genome.Settings(k=k, stride=stride), held)


class Plain(Encoder):
    """Gives each token its id, whatever stands around it; a record's length beside it."""

    width, depth, causal = 2, 1, False

    def groups(self) -> Any:
        return []

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        tokens, length = batch["tokens"], batch["length"]
        return States(torch.stack([tokens, length[:, None].expand_as(tokens)], -1).float(), None)


shapes = st.integers(1, 6).flatmap(lambda k: st.tuples(st.just(k), st.integers(1, k)))


@given(shapes, st.integers(0, 25))
def test_the_nearest_middle_speaks(shape: tuple[int, int], more: int) -> None:
    k, stride = shape
    domain = domain_of(k, stride) if k < 4 else genome.Domain(genome.Settings(k=k, stride=stride))
    size = k + more
    middles = [t * stride + (k - 1) / 2 for t in range(domain.length(size))]
    wanted = [
        min(range(len(middles)), key=lambda t: abs(middles[t] - unit)) for unit in range(size)
    ]
    found = per_token.speakers(domain, size)
    assert found.tolist() == wanted
    # Where no unit is left over at the end, the token that speaks holds the unit.
    if (size - k) % stride == 0:
        assert all(t * stride <= unit < t * stride + k for unit, t in enumerate(wanted))


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (3, 1), (3, 2), (3, 3)])
@pytest.mark.parametrize("window", [4, 7, 64])
def test_units_have_the_vectors_of_their_tokens(k: int, stride: int, window: int) -> None:
    domain = domain_of(k, stride)
    draw = np.random.default_rng(0)
    records: list[Array] = [draw.integers(0, 4, n).astype(np.uint8) for n in (3, 40, 9, 17, 40)]
    plan = Plan(None, 1, window, window // 3, batch_tokens=16)
    found = [np.full(len(one), np.nan) for one in records]
    last = (-1, -1)
    for stretch in per_token.vectors(Plain(), domain, records, plan, CPU):
        assert (stretch.row, stretch.first) > last
        last = (stretch.row, stretch.first)
        part = slice(stretch.first, stretch.first + len(stretch.vectors))
        assert np.isnan(found[stretch.row][part]).all(), "a unit is given twice"
        found[stretch.row][part] = stretch.vectors[:, 0]
    for one, ids in zip(records, found, strict=True):
        tokens = domain.batch(one[None], np.array([len(one)]), None)["tokens"][0]
        middles = np.arange(len(tokens)) * stride + (k - 1) / 2
        wanted = [tokens[np.abs(middles - unit).argmin()] for unit in range(len(one))]
        assert ids.tolist() == wanted


def test_a_record_without_a_token_is_no_record_to_ask_for() -> None:
    plan = Plan(None, 1, 8, 0)
    with pytest.raises(ValueError, match="no token"):
        list(per_token.vectors(Plain(), domain_of(3, 1), [np.zeros(2, np.uint8)], plan, CPU))


@pytest.mark.parametrize("places", [1, 2, 3])
def test_units_of_a_token_have_columns_of_their_own(places: int) -> None:
    draw = np.random.default_rng(0)
    held = draw.normal(size=(11, 4)).astype(np.float32)
    first = 7
    found = per_token.placed(Stretch(2, first, held), places)
    assert (found.row, found.first) == (2, first)
    wanted = np.zeros((11, places * 4), np.float32)
    for unit in range(11):
        at = (first + unit) % places
        wanted[unit, at * 4 : at * 4 + 4] = held[unit]
    assert np.array_equal(found.vectors, wanted)


@given(shapes, st.integers(0, 25))
def test_the_units_of_a_token_have_different_places(shape: tuple[int, int], more: int) -> None:
    k, stride = shape
    domain = genome.Domain(genome.Settings(k=k, stride=stride))
    assert per_token.step(domain) == stride
    token = per_token.speakers(domain, k + more)
    # But for the ends of a record, whose first and last tokens speak for what is left over.
    for one in set(token.tolist()) - {int(token[0]), int(token[-1])}:
        assert sorted(np.flatnonzero(token == one) % stride) == list(range(stride))
