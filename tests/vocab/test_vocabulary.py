"""The table's bytes do not depend on how its rows came, and no group of rows is large."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import attempt
from hypothesis import given
from hypothesis import strategies as st

from sslkit.artifacts import manifest
from sslkit.errors import DataError, SslkitError, UsageError
from sslkit.vocab import vocabulary

MADE = manifest.make("build-vocab", {})
words = st.lists(st.sampled_from(["", "a", "é" * 5, "x" * 40, "y" * 99]), max_size=40)


@given(tokens=words, cut=st.integers(1, 12), rows=st.integers(1, 9), size=st.integers(1, 120))
def test_groups_follow_from_the_rows_alone(tokens, cut, rows, size):
    counts = np.arange(len(tokens))
    pieces = [
        (pa.array(tokens[at : at + cut], pa.string()), counts[at : at + cut])
        for at in range(0, len(tokens), cut)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "ROW_GROUP", rows)
        patch.setattr(vocabulary, "GROUP_BYTES", size)
        groups = [(held.to_pylist(), n.tolist()) for held, n in vocabulary._regrouped(pieces)]
    assert [token for held, _ in groups for token in held] == tokens
    assert [n for _, held in groups for n in held] == counts.tolist()
    for place, (held, _) in enumerate(groups):
        total = sum(len(token.encode()) for token in held)
        assert 0 < len(held) <= rows
        assert len(held) == 1 or total <= size
        if place + 1 < len(groups):
            more = len(groups[place + 1][0][0].encode())
            assert len(held) == rows or total + more > size


def test_written_and_read(tmp_path):
    path = tmp_path / "v.parquet"
    vocabulary.save(path, vocabulary.Vocabulary(["b", "a"], np.array([3, 1])), MADE.to_json())
    found, made = vocabulary.load(path)
    assert (found.tokens, found.counts.tolist(), made) == (["b", "a"], [3, 1], MADE)
    assert found.entropy() == pytest.approx(0.5623351)
    assert pq.read_metadata(path).num_row_groups == 1


def test_what_is_no_vocabulary(tmp_path):
    with pytest.raises(UsageError, match="no vocabulary"):
        vocabulary.load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DataError, match="cannot be read"):
        vocabulary.load(tmp_path / "text")
    pq.write_table(pa.table({"token": ["a"]}), tmp_path / "other")
    with pytest.raises(DataError, match="not a vocabulary"):
        vocabulary.load(tmp_path / "other")


def save(path, columns, results=None):
    made = manifest.make("build-vocab", {}, results=results or {})
    table = pa.table(columns)
    pq.write_table(
        table.replace_schema_metadata({manifest.METADATA_KEY: made.to_json().encode()}), path
    )


@pytest.mark.parametrize(
    "change",
    [
        {"count": pa.array([3, -1], pa.int64())},
        {"count": pa.array([0, 0], pa.int64())},
        {"count": pa.array([2**62, 2**62], pa.int64())},
        {"count": pa.array([3, None], pa.int64())},
        {"count": pa.array([3.0, 1.0])},
        {"count": pa.array(["3", "1"])},
        {"id": pa.array([0, 2], pa.int64())},
        {"id": pa.array([0, None], pa.int64())},
        {"token": ["a", "a"]},
        {"token": ["a", None]},
        {"token": pa.array([b"a", b"\xff"])},
        {"token": pa.array([1, 2])},
    ],
)
def test_what_build_vocab_cannot_have_written(tmp_path, change):
    right = {"token": ["b", "a"], "id": [0, 1], "count": [3, 1]}
    path = tmp_path / "v.parquet"
    save(path, right)
    assert vocabulary.load(path)[0].counts.tolist() == [3, 1]
    save(path, right | change)
    with pytest.raises(DataError) as caught:
        vocabulary.load(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "results", [{"size": 3}, {"tokens": 9, "cut_tokens": 4}, {"tokens": "9", "cut_tokens": None}]
)
def test_counts_that_do_not_come_to_what_was_written(tmp_path, results):
    path = tmp_path / "v.parquet"
    right = {"token": ["b", "a"], "id": [0, 1], "count": [3, 1]}
    save(path, right, {"size": 2, "tokens": 9, "cut_tokens": 5})
    assert len(vocabulary.load(path)[0]) == 2
    save(path, right, results)
    with pytest.raises(DataError):
        vocabulary.load(path)


def test_no_token_is_refused(tmp_path):
    path = tmp_path / "v.parquet"
    vocabulary.save(path, vocabulary.Vocabulary([], np.empty(0, np.int64)), MADE.to_json())
    with pytest.raises(DataError):
        vocabulary.load(path)


def test_a_changed_byte_of_a_token_or_a_count_is_refused(tmp_path):
    path = tmp_path / "v.parquet"
    tokens = [f"token{number}" for number in range(200)]
    vocabulary.save(path, vocabulary.Vocabulary(tokens, np.arange(200, 0, -1)), MADE.to_json())
    whole = path.read_bytes()
    pages = whole.index(b"ARROW:schema") - 500
    for place in range(60, pages, 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        loaded = attempt(lambda: vocabulary.load(path))
        if not isinstance(loaded, SslkitError):
            assert loaded[0].tokens == tokens
            assert loaded[0].counts.tolist() == list(range(200, 0, -1))
    letters = whole.index(b"token0")
    path.write_bytes(whole[:letters] + b"T" + whole[letters + 1 :])
    with pytest.raises(DataError):
        vocabulary.load(path)
