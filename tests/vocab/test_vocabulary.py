"""The table's bytes do not depend on how its rows came, and no group of rows is large."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError, UsageError
from sslkit.vocab import vocabulary

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
    vocabulary.save(path, vocabulary.Vocabulary(["b", "a"], np.array([3, 1])), "{}")
    found, text = vocabulary.load(path)
    assert (found.tokens, found.counts.tolist(), text) == (["b", "a"], [3, 1], "{}")
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
