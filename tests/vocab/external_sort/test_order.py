"""The order of the vocabulary out of rows in token order, however long the tokens are."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.vocab.external_sort.keys import Bytes, Words
from sslkit.vocab.external_sort.order import ByCount

sizes = st.sampled_from([1, 2, 9, 300])
tokens = st.dictionaries(
    st.tuples(st.binary(min_size=1, max_size=3).filter(lambda t: 0 not in t), sizes).map(
        lambda pair: pair[0] * pair[1]
    ),
    st.integers(1, 5) | st.integers(1, 2**50),
    max_size=60,
)


def column_of(kind, held):
    if isinstance(kind, Bytes):
        return pa.array(held, pa.large_binary())
    return np.array([[int.from_bytes(token[:8].ljust(8, b"\0")) for token in held]], np.uint64)


@given(found=tokens, pieces=st.integers(1, 9), memory=st.sampled_from([1000, 20_000, 1 << 20]))
def test_by_count_then_by_token(tmp_path_factory, found, pieces, memory):
    order = ByCount(Bytes(), tmp_path_factory.mktemp("order"), memory)
    ranked = sorted(found)
    for start in range(0, len(ranked), pieces):
        some = ranked[start : start + pieces]
        counts = np.array([found[token] for token in some], np.int64)
        order.add(column_of(Bytes(), some), counts)
    rows = []
    for column, counts in order.result():
        # What is held at once is bounded by bytes, of which one token may have more.
        assert column.nbytes <= max(memory // 6, 900) + 8 * (len(column) + 1)
        rows += zip(column.to_pylist(), counts.tolist(), strict=True)
    assert rows == sorted(found.items(), key=lambda row: (-row[1], row[0]))
    assert (order.rows, order.total) == (len(found), sum(found.values()))


def test_words_too(tmp_path: Path) -> None:
    order = ByCount(Words(1), tmp_path, 1024)
    keys = np.arange(1000, dtype=np.uint64)
    order.add(keys[None], np.arange(1000) % 7 + 1)
    found = np.concatenate([column[0] for column, _ in order.result(least=3)])
    assert found.tolist() == sorted(
        (n for n in range(1000) if n % 7 >= 2), key=lambda n: (-(n % 7), n)
    )


@pytest.mark.parametrize("size", [1, 40])
def test_no_rows(tmp_path: Path, size: int) -> None:
    order = ByCount(Bytes(), tmp_path, 1000)
    assert list(order.result()) == []
    order.add(column_of(Bytes(), [b"x" * size]), np.array([1]))
    assert list(order.result(least=2)) == []


def test_small_pieces_are_laid_aside_together(tmp_path: Path) -> None:
    """A merge of hundreds of runs gives tens of thousands of them."""
    order = ByCount(Words(1), tmp_path, 1 << 20)
    for key in range(3000):
        order.add(np.array([[key]], np.uint64), np.array([key % 3 + 1]))
    assert (order.rows, order.total) == (3000, 6000)
    assert sum(column.shape[1] for column, _ in order.result()) == 3000
    assert len(list(tmp_path.iterdir())) == 1
