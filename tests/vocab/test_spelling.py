"""How words are spelled in pieces, as a column of a vocabulary's table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.artifacts import manifest
from sslkit.errors import DataError
from sslkit.types import Spelling
from sslkit.vocab import spelling, vocabulary
from sslkit.vocab.vocabulary import Vocabulary

TOKENS = ["<mask>", "abc", "a", "b", "c", "ab", "bc"]
#: Two merges make the same piece.
MERGES = np.array([[3, 4], [2, 6], [2, 3], [5, 4]])
SCORES = np.array([-np.inf, -1.5, -2.0, -3.0, -2.5, -1.0, -4.0])
BPE = Spelling(1, MERGES, np.empty(0))
UNIGRAM = Spelling(1, np.empty((0, 2), np.int64), SCORES)


def save(path: Path, method: str, chosen: Spelling) -> None:
    made = manifest.make("build-vocab", {"subword": method, "special": ["<mask>"]})
    held = Vocabulary(TOKENS, np.arange(len(TOKENS), 0, -1), chosen)
    vocabulary.save(path, held, made.to_json())


@pytest.mark.parametrize(("method", "chosen"), [("bpe", BPE), ("unigram", UNIGRAM)])
def test_round_trip(tmp_path: Path, method: str, chosen: Spelling) -> None:
    path = tmp_path / "v.parquet"
    save(path, method, chosen)
    loaded = vocabulary.load(path)[0].spelling
    assert loaded is not None
    assert loaded.special == 1
    assert loaded.merges.tolist() == chosen.merges.tolist()
    assert loaded.scores.tolist() == chosen.scores.tolist()


def test_columns_say_what_makes_a_piece(tmp_path: Path) -> None:
    save(tmp_path / "v.parquet", "bpe", BPE)
    rows = pq.read_table(tmp_path / "v.parquet").to_pylist()
    both = [{"rank": 1, "left": 2, "right": 6}, {"rank": 3, "left": 5, "right": 4}]
    assert {row["token"]: row["merges"] for row in rows if row["merges"]} == {
        "abc": both,
        "ab": [{"rank": 2, "left": 2, "right": 3}],
        "bc": [{"rank": 0, "left": 3, "right": 4}],
    }
    save(tmp_path / "v.parquet", "unigram", UNIGRAM)
    scores = pq.read_table(tmp_path / "v.parquet")["score"].to_pylist()
    assert scores == [None, *SCORES[1:].tolist()]


@given(st.permutations(range(4)))
def test_merges_keep_their_order(order: list[int]) -> None:
    chosen = Spelling(0, MERGES[order], np.empty(0))
    field, column = spelling.column(TOKENS, chosen)
    loaded = spelling.of_table(pa.table([column], schema=pa.schema([field])), "bpe", 0)
    assert loaded.merges.tolist() == MERGES[order].tolist()


@pytest.mark.parametrize("method", ["bpe", "unigram"])
def test_a_table_without_its_column_is_refused(tmp_path: Path, method: str) -> None:
    path = tmp_path / "v.parquet"
    save(path, method, BPE if method == "bpe" else UNIGRAM)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(table.column_names[-1:]), path)
    with pytest.raises(DataError, match="damaged"):
        vocabulary.load(path)


def test_merges_without_one_of_the_ranks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    save(path, "bpe", BPE)
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[1]["merges"][0]["rank"] = 7
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    with pytest.raises(DataError, match="ranks"):
        vocabulary.load(path)
