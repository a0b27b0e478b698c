"""Rows with quoted cells, whole or in pieces, are as the csv module has them."""

import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.files import quoted

tables = st.lists(st.lists(st.text('ab",\n'), min_size=2, max_size=4), max_size=5)


def rows(text: str, piece: int, limit: int = 1 << 20) -> list[list[str] | None]:
    """The rows of a text whose lines come in pieces of so many characters."""
    lines = io.StringIO(text).readlines()
    pieces = iter([line[at : at + piece] for line in lines for at in range(0, len(line), piece)])
    return [quoted.cells(first, pieces, ",", limit) for first in pieces]


def expected(text: str) -> list[list[str]]:
    """The same of the csv module, whose blank lines have no cell."""
    return [row or [""] for row in csv.reader(io.StringIO(text), strict=True)]


@given(st.text('ab",\n', max_size=30), st.integers(1, 9))
def test_rows_are_those_of_the_csv_module(text: str, piece: int) -> None:
    try:
        right = expected(text)
    except csv.Error as error:
        with pytest.raises(csv.Error, match=str(error)):
            rows(text, piece)
    else:
        assert rows(text, piece) == right


@given(
    st.lists(st.lists(st.text('ab",\n '), min_size=1, max_size=4), max_size=4), st.integers(1, 9)
)
def test_what_the_csv_module_writes_is_read_back(table: list[list[str]], piece: int) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    assert rows(stream.getvalue(), piece) == table


@given(tables, st.integers(1, 40))
def test_rows_are_the_same_whoever_reads_them(table: list[list[str]], short: int) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows([*table, ["end", "x"]])
    stream.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quoted, "_SHORT", short)
        found = list(quoted.rows(next(stream), stream, ",", 1 << 20))
    assert found == [*table, ["end", "x"]]


def test_a_row_that_is_too_long_ends_where_it_should() -> None:
    long = ['a,"' + 'x"",\n' * 9 + '",b\n', "a," + "x" * 30 + ',"\n,",b\n', '"' + "x" * 30 + '"\n']
    for text, piece in itertools.product(long, (1, 7, 1000)):
        assert rows(text + '"c",d\n', piece, 20) == [None, ["c", "d"]]
    assert rows("x" * 20 + "\n", 50, 20) == [["x" * 20]]
    assert rows("x" * 21 + "\n", 50, 20) == [None]
