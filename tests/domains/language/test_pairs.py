"""Pairs of texts: two columns of a line, each the view of the other; lines that are none."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.domains import text
from sslkit.domains.language import pairs as _pairs
from sslkit.domains.language.documents import BEGINS, BETWEEN
from sslkit.errors import DataError, UsageError
from sslkit.vocab.vocabulary import Vocabulary

TOKENS = ["a", "cat", "chat", "sleeps", "dort", "un"]
VOCABULARY = Vocabulary(TOKENS, np.arange(len(TOKENS), 0, -1))
SEP, UNKNOWN, PAD = len(TOKENS) + 3, len(TOKENS) + 1, len(TOKENS)


def domain(**settings: Any) -> text.Domain:
    return text.Domain(text.Settings(**{"documents": "pair"} | settings), VOCABULARY)


def written(folder: Path, content: str) -> Path:
    path = folder / "pairs.tsv"
    path.write_text(content, "utf-8")
    return path


def draws(rows: int) -> rng.Counter:
    return rng.Counter(1, 0, np.arange(rows))


def words(units: Any) -> list[int]:
    return (np.asarray(units) & ~BEGINS).tolist()


def test_a_line_is_a_pair(tmp_path: Path) -> None:
    path = written(tmp_path, "A cat. a cat sleeps\tun chat dort\r\n\n cat \tchat")
    one, other = domain().read(path, "stop")
    assert (one.id, other.id, other.number) == ("1", "3", 3)
    first, second = domain().sides(one.payload)
    assert words(first)[1:] == [1, 0, 1, 3]
    assert (first >= BEGINS).tolist() == [True, False, True, False, False]
    assert words(second) == [5, 2, 4]
    assert words(other.payload) == [1, int(BETWEEN), 2]


def test_compressed_files_and_other_rules(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv.gz"
    path.write_bytes(gzip.compress(b"cat-a\tchat\n"))
    (words_of,) = domain().read(path, "stop")
    (spaces,) = domain(split="spaces").read(path, "stop")
    assert (len(words_of.payload), len(spaces.payload)) == (4, 3)


cells = st.lists(st.sampled_from(["a", "cat", "dort.", "-", "é"]), max_size=4).map(" ".join)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12))
def test_lots_of_lines_are_as_one_by_one(lines: list[tuple[str, str]]) -> None:
    made = domain()
    raw = [f"{first}\t{second}".encode() for first, second in lines]
    together = _pairs._records(raw, 0, "p", made._stream("p", "line", "stop"))
    for found, (first, second) in zip(together, lines, strict=True):
        sides = [made.record("", cell, "", 1).payload for cell in (first, second)]
        if all(len(side) for side in sides):
            for one, other in zip(made.sides(found.payload), sides, strict=True):
                assert one.tolist() == other.tolist()
        else:
            assert "holds no word" in found.error


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("un chat", "it has one column, and a pair has two"),
        ("a\tb\tc", "it has 3 columns"),
        ("a\t --", "its second column holds no word"),
        (".\ta", "its first column holds no word"),
        ("a\tb\0", "its second column is no text: there is a byte 0"),
    ],
)
def test_lines_that_are_no_pair(tmp_path: Path, line: str, problem: str) -> None:
    path = written(tmp_path, f"a\tun\n{line}\ncat\tchat\n")
    with pytest.raises(DataError) as caught:
        list(domain().read(path, "stop"))
    assert problem in str(caught.value)
    assert "pairs.tsv, record 2" in str(caught.value)
    found = list(domain().read(path, "skip"))
    assert [bool(record.error) for record in found] == [False, True, False]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"a\tun\ncat\t\xffchat\n")
    good, bad = domain().read(path, "skip")
    assert not good.error
    assert "its second column is no UTF-8: invalid start byte at byte 1" in bad.error


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a file is empty"):
        list(domain().read(written(tmp_path, ""), "stop"))


def rows_of(*pairs: tuple[list[int], list[int]]) -> tuple[Any, Any]:
    rows = [[*first, int(BETWEEN), *second] if second else first for first, second in pairs]
    lengths = np.array([len(row) for row in rows])
    units = np.zeros((len(rows), lengths.max()), np.uint32)
    for row, held in zip(units, rows, strict=True):
        row[: len(held)] = held
    return units, lengths


def test_one_side_is_the_view_of_the_other() -> None:
    pairs = [([0, 1, 3], [5, 2]), ([1], [2, 4, 4, 99]), ([3, 3], [])] * 20
    units, lengths = rows_of(*pairs)
    made = domain().batch(units, lengths, draws(len(pairs)), {"view", "boundary"})
    swapped = 0
    for row, pair in enumerate(pairs):
        known = [[one if one < len(TOKENS) else UNKNOWN for one in side] for side in pair]
        first = made["tokens"][row, : made["length"][row]].tolist()
        view = made["view.tokens"][row, : made["view.length"][row]].tolist()
        assert [first, view] in (known, known[::-1])
        assert (made["tokens"][row, made["length"][row] :] == PAD).all()
        swapped += [first, view] != known
        if not pair[1]:
            assert (first, view) == ([3, 3], [])
    assert 10 < swapped < 30


def test_without_training_a_pair_is_one_row() -> None:
    units, lengths = rows_of(([0, 1], [5]))
    made = domain().batch(units, lengths, None)
    assert made["tokens"].tolist() == [[0, 1, SEP, 5]]


def test_documents_that_are_no_pairs_have_no_views() -> None:
    units, lengths = rows_of(([0, 1], []))
    with pytest.raises(UsageError, match="--set documents=pair"):
        domain(documents="line").batch(units, lengths, draws(1), {"view"})
