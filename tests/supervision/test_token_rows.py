"""Records with a label for each unit, cut into windows: all is seen, once, and rightly placed."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslkit.contracts.encoder import Encoder, States, real
from sslkit.domains import genome
from sslkit.engine.learner import Learner
from sslkit.engine.runtime import Runtime
from sslkit.inference.prediction import scorer
from sslkit.objectives.supervised_units import Head, Objective, Settings
from sslkit.supervision.token_rows import Cut, TaggedRows
from sslkit.types import Batch
from sslkit.vocab.vocabulary import Vocabulary

CPU = Runtime(torch.device("cpu"), "fp32", 1)


def rows_of(k: int, stride: int, window: int, sizes: list[int], seed: int = 0) -> TaggedRows:
    """The class of each unit is its base, unknown for one unit in five."""
    tokens = ["".join(letters) for letters in itertools.product("ACGT", repeat=k)]
    held = Vocabulary(tokens, np.ones(len(tokens), np.int64))
    draw = np.random.default_rng(seed)
    units = [draw.integers(0, 4, size).astype(np.uint8) for size in sizes]
    target = [np.where(draw.random(len(u)) < 0.2, -1, u.astype(np.int32)) for u in units]
    domain = genome.Domain(genome.Settings(k=k, stride=stride), held)
    return TaggedRows(domain, units, target, np.array([1, 2, 3, 4], np.float32), window)


shapes = st.integers(1, 3).flatmap(lambda k: st.tuples(st.just(k), st.integers(1, k)))


@given(shapes, st.integers(3, 9), st.lists(st.integers(3, 60), min_size=1, max_size=4))
def test_every_unit_is_asked_for_once_with_its_own_label(
    shape: tuple[int, int], window: int, sizes: list[int]
) -> None:
    held = rows_of(*shape, window, sizes)
    for row, size in enumerate(sizes):
        cuts = list(held.cuts(row))
        assert [u for cut in cuts for u in range(cut.keep, cut.keep_stop)] == list(range(size))
        for cut in cuts:
            assert cut.first <= cut.keep <= cut.keep_stop <= cut.stop
            assert held.domain.length(cut.stop - cut.first) <= window
            made = held.batch([cut])
            tokens, unit = made["tokens"][0], np.arange(cut.stop - cut.first)
            asked = (unit + cut.first >= cut.keep) & (unit + cut.first < cut.keep_stop)
            wanted = np.where(asked, held.target[row][cut.first : cut.stop], -1)
            assert made["target"][0].tolist() == wanted.tolist()
            assert ((made["weight"][0] > 0) == (wanted >= 0)).all()
            # The token that speaks for a unit is the same in the window as in the record.
            whole = held.batch([Cut(row, 0, size, 0, size)])
            same = whole["tokens"][0][whole["speaker"][0][cut.first : cut.stop]]
            assert (tokens[made["speaker"][0]] == same)[asked].all()


def test_weights_are_those_of_the_classes() -> None:
    held = rows_of(1, 1, 30, [20])
    made = held.batch(list(held.cuts(0)))
    known = held.target[0] >= 0
    wanted = np.where(known, 1.0 + held.target[0], 0.0)
    assert made["weight"][0].tolist() == wanted.tolist()


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (3, 2)])
def test_training_sees_all_of_long_records_and_depends_on_the_seed(k: int, stride: int) -> None:
    held = rows_of(k, stride, 5, [40, 6])
    most = held.domain.units(5)
    made = held.drawn(np.zeros(300, np.int64), np.arange(300), seed=1)
    assert made["target"].shape == (300, most)
    code = np.lib.stride_tricks.sliding_window_view(held.target[0], most).tolist()
    starts = [code.index(row) for row in made["target"].tolist()]
    assert set(starts) == set(range(40 - most + 1))
    for seed, same in ((1, True), (2, False)):
        again = held.drawn(np.zeros(300, np.int64), np.arange(300), seed)
        assert np.array_equal(again["target"], made["target"]) == same
    # A short record begins at each unit that a token can begin with.
    short = held.drawn(np.ones(50, np.int64), np.arange(50), seed=1)
    lengths = set((short["target"] != -1).sum(1).tolist())
    assert len(lengths) <= stride


class Copy(Encoder):
    """States say which token it is."""

    width, depth, causal = 64, 1, False

    def groups(self) -> Any:
        return []

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        hot = torch.nn.functional.one_hot(batch["tokens"].clamp(max=63), 64)
        return States(hot.float(), real(batch))


@pytest.mark.parametrize("window", [3, 8, 100])
def test_what_is_said_stands_where_it_was_asked(window: int) -> None:
    """Two units a token: the head knows the first and the second base of each."""
    held = rows_of(2, 2, window, [31, 4, 18, 50])
    learner = Learner(Copy(), Objective(Settings(outputs=4, places=2, head_dropout=0.0)))
    assert isinstance(learner.head, Head)
    with torch.no_grad():
        for token, place in itertools.product(range(16), range(2)):
            base = token // 4 if place == 0 else token % 4
            learner.head.out.weight[place * 4 + base, token] = 5
    rows = np.array([2, 0, 3])
    found = held.outputs(scorer(learner, CPU), rows, 64)
    assert found.shape == (18 + 31 + 50, 4)
    wanted = np.concatenate([held.units[row] for row in rows])
    right = found.argmax(1) == wanted
    # The last unit of a record of odd length lies in no token.
    right[18 + 30] = True
    assert right.all()
