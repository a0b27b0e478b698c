"""Batches of labelled records, and the order of training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.contracts.spec import token_ids
from sslkit.domains import genome
from sslkit.domains.biology import bases
from sslkit.supervision.record_rows import LabelledRows, shuffled
from sslkit.vocab.vocabulary import Vocabulary

K = 2
TOKENS = [a + b for a in "ACGT" for b in "ACGT"]


@pytest.fixture
def rows() -> LabelledRows:
    domain = genome.Domain(
        genome.Settings(k=K, stride=1), Vocabulary(TOKENS, np.ones(16, np.int64))
    )
    texts = [b"ACGTAC", b"TT", b"GGGGGGGGGG", b"ACG"]
    return LabelledRows(
        domain=domain,
        units=[bases.to_codes(text) for text in texts],
        target=np.array([0, 1, 1, 0]),
        weight=np.array([1, 2, 3, 4], np.float32),
        window=4,
    )


def test_a_batch_holds_the_start_of_each_record(rows: LabelledRows) -> None:
    made = rows.batch(np.array([2, 1, 0]), np.zeros(3, np.int64))
    assert made["length"].tolist() == [4, 1, 4]
    assert made["tokens"].shape == (3, 4)
    words = [[TOKENS[t] for t in row[:n]] for row, n in zip(made["tokens"], made["length"],
                                                            strict=True)]  # fmt: skip
    assert words == [["GG"] * 4, ["TT"], ["AC", "CG", "GT", "TA"]]
    assert (made["tokens"][1, 1:] == token_ids(rows.domain.spec).pad).all()
    assert made["target"].tolist() == [1, 1, 0]
    assert made["weight"].tolist() == [3, 2, 1]


def test_phases_leave_out_first_bases_where_enough_is_left() -> None:
    domain = genome.Domain(
        genome.Settings(k=2, stride=2), Vocabulary(TOKENS, np.ones(16, np.int64))
    )
    units = [bases.to_codes(text) for text in (b"ACGTAC", b"TT")]
    held = LabelledRows(domain, units, np.array([0, 1]), np.ones(2, np.float32), window=4)
    first, second = held.in_phases(np.array([0, 1]))
    words = [[[TOKENS[t] for t in row[:n]] for row, n in zip(b["tokens"], b["length"], strict=True)]
             for b in (first, second)]  # fmt: skip
    assert words == [[["AC", "GT", "AC"], ["TT"]], [["CG", "TA"], ["TT"]]]
    # The short record is read from its first base on, and says so.
    assert [b["phase"].tolist() for b in (first, second)] == [[0, 0], [1, 0]]


def test_drawn_phases_follow_the_number_in_the_run_alone() -> None:
    domain = genome.Domain(
        genome.Settings(k=2, stride=2), Vocabulary(TOKENS, np.ones(16, np.int64))
    )
    units = [bases.to_codes(b"ACGTACGT")] * 64
    held = LabelledRows(domain, units, np.zeros(64, int), np.ones(64, np.float32), window=4)
    rows, examples = np.arange(64), np.arange(100, 164)
    whole = held.drawn(rows, examples, seed=1)
    half = held.drawn(rows[32:], examples[32:], seed=1)
    assert set(whole["length"].tolist()) == {3, 4}
    assert np.array_equal(whole["length"][32:], half["length"])


def test_batches_hold_each_row_once_by_length(rows: LabelledRows) -> None:
    found = rows.batches(np.array([0, 1, 2, 3]), 3)
    assert [part.tolist() for part in found] == [[1, 3, 0], [2]]
    assert rows.batches(np.array([], np.int64), 3) == []


@given(st.integers(1, 40), st.integers(0, 9), st.integers(1, 7))
def test_every_pass_goes_through_all_rows_once(count: int, seed: int, size: int) -> None:
    rows = np.arange(100, 100 + count)
    whole = shuffled(rows, np.arange(3 * count), seed)
    for turn in range(3):
        assert sorted(whole[turn * count : (turn + 1) * count]) == rows.tolist()
    parts = [shuffled(rows, np.arange(at, at + size), seed) for at in range(0, 3 * count, size)]
    assert np.array_equal(np.concatenate(parts)[: 3 * count], whole)


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    rows = np.arange(30)
    whole = shuffled(rows, np.arange(60), 1)
    assert not np.array_equal(whole[:30], whole[30:])
    assert not np.array_equal(whole[:30], shuffled(rows, np.arange(30), 2))
