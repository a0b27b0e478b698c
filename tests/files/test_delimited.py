"""Tables as text: quotes, separators, rows of odd shapes, as other programs write them."""

import io
from pathlib import Path

import pytest

from sslkit.errors import DataError
from sslkit.files import delimited


def rows(text: str, name: str = "t.tsv") -> tuple[list[str], list[list[str]], list[str]]:
    """Header, cells, and problems that there are."""
    table = delimited.read(io.StringIO(text), Path(name), 1 << 20)
    found = list(table.rows)
    return table.header, [row.cells for row in found], [row.problem for row in found if row.problem]


def test_between_tabs_a_quote_is_a_letter() -> None:
    text = 'text\tlabel\n"we said hello\t0\nhe runs\t1\ngood dog"\t0\n"Hello," he said\t1\n'
    assert rows(text)[1] == [
        ['"we said hello', "0"], ["he runs", "1"], ['good dog"', "0"], ['"Hello," he said', "1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('"whole"\t1', ['"whole"', "1"]),
        ('"he said ""no"""\t1', ['he said "no"', "1"]),
        ('"a\tb"\t1', ["a\tb", "1"]),
        ('""\t1', ["", "1"]),
        ('""twice"" here\t1', ['""twice"" here', "1"]),
    ],
)
def test_between_tabs_only_what_was_surely_quoted_is_taken_out(line: str, cells: list[str]) -> None:
    assert rows(f"text\tlabel\nx\t0\n{line}\n")[1][1] == cells


def test_what_r_writes_is_taken_out_of_its_quotes() -> None:
    text = '"sequence"\t"note"\n"r1"\t"ACGT"\t"say \\"a\\""\n"r2"\t"GGCC"\t"x"\n'
    header, cells, problems = rows(text)
    assert header == ["", "sequence", "note"]
    assert cells == [["r1", "ACGT", 'say "a"'], ["r2", "GGCC", "x"]]
    assert not problems


def test_one_row_with_more_cells_is_no_row_with_a_name() -> None:
    header, cells, problems = rows("text,label\na, b,0\nc,1\n", "t.csv")
    assert header == ["text", "label"]
    assert len(problems) == 1
    assert cells[1] == ["c", "1"]


def test_between_commas_a_quoted_cell_spans_lines_and_must_be_closed() -> None:
    assert rows('text,label\n"a\nb, ""c""",0\n', "t.csv")[1] == [['a\nb, "c"', "0"]]
    with pytest.raises(DataError) as caught:
        rows('text,label\na,0\n\nb,1\n"c,0\nd,1\n', "t.csv")
    assert caught.value.where == "t.csv, row 3, which begins at line 5"


@pytest.mark.parametrize(
    ("name", "text", "cells"),
    [
        ("t.csv", "id;seq\nx;AC\n", ["x", "AC"]),
        ("t.csv", "id\tseq\nx\tAC\n", ["x", "AC"]),
        ("t.tsv", "id, or name\tseq\nx\tA,C\n", ["x", "A,C"]),
        ("t.tsv.gz", "id,seq\nx,AC\n", ["x", "AC"]),
        ("t", "id;seq\nx;AC\n", ["x", "AC"]),
        ("t.txt", "id\tseq\nx\tAC\n", ["x", "AC"]),
        ("t.csv", "sep=;\nid;seq\nx;AC\n", ["x", "AC"]),
        ("t.csv", '"sep=\t"\nid\tseq\nx\tAC\n', ["x", "AC"]),
    ],
)
def test_the_name_and_the_header_tell_the_separator(name: str, text: str, cells: list[str]) -> None:
    assert rows(text, name)[1] == [cells]


def test_empty_cells_behind_the_last_column_and_blank_rows_at_the_end_are_none() -> None:
    assert rows("id,seq,\nx,AC,\ny,GT\nz,AA,,,\n,,\n\n,\n", "t.csv") == (
        ["id", "seq"], [["x", "AC"], ["y", "GT"], ["z", "AA"]], [],
    )  # fmt: skip
    assert rows("id,seq\nx,AC\n,\ny,GT\n", "t.csv")[1] == [["x", "AC"], ["", ""], ["y", "GT"]]


def test_a_byte_0_is_no_text() -> None:
    with pytest.raises(DataError) as caught:
        rows("id\tseq\nx\tA\0C\n")
    assert caught.value.where == "t.tsv, line 2"
