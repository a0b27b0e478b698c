"""Tables as text: comma, semicolon or tab between the cells, a header above them.

Between commas and semicolons a quoted cell may hold anything, line ends included (RFC 4180).
Between tabs a quote is a letter (IANA text/tab-separated-values) and a line is a row; only what R,
pandas and Excel certainly quoted is taken out of its quotes, see ``_Tabbed``.
"""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from sslkit.errors import DataError
from sslkit.files import longest, quoted, source

_SEPARATED = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
#: A cell in quotes: quotes within are doubled, or escaped as R does it.
_DOUBLED = re.compile(r'"((?:[^"]|"")*)"')
_ESCAPED = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: Rows that are looked at before the first of them is given, and characters of all of them.
_AHEAD, _HELD = 8, 1 << 22
#: Characters of the pieces of a line that is too long.
_PIECE = 1 << 16


class Cells(NamedTuple):
    """One row; ``problem`` is why it cannot be read."""

    cells: list[str]
    problem: str = ""


class Delimited(NamedTuple):
    """A table of text.

    Attributes:
        header: names of the columns; the first is empty where R wrote names of rows into it.
        has_row_names: whether that is so.
    """

    header: list[str]
    rows: Iterator[Cells]
    has_row_names: bool


def read(text: IO[str], path: Path, limit: int) -> Delimited:
    """A table from an open text.

    Args:
        path: its name, which may tell what stands between the cells.
        limit: characters of the longest row; a longer one has a problem.

    Raises:
        DataError: no header, or two columns of one name.
    """
    lines = _Lines(text, path, limit)
    first, told = _first_line(lines)
    if not first:
        raise source.empty(path, "it is a table without a row of names")
    mark = told or separator(path, first)
    rows = _tabbed(first, lines, limit) if mark == "\t" else _quoted(first, lines, mark, limit)
    names = next(rows)
    if names.problem:
        raise longest.refused(path, ", the row of names")
    header = [name.strip() for name in names.cells]
    while len(header) > 1 and not header[-1]:
        header.pop()
    ahead, has_row_names = _ahead(rows, header)
    if has_row_names:
        header = ["", *header]
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise DataError("a table names a column twice", where=str(path), why=", ".join(twice))
    fitted = _fitted(chain(ahead, rows), len(header))
    return Delimited(header, _without_blank_end(fitted), has_row_names)


def separator(path: Path, header: str) -> str:
    """What stands between cells: as the name of the file says, or else its header."""
    ending = source.plain_name(path).lower().rpartition(".")[2]
    usual = {"tsv": "\t", "tab": "\t", "csv": ",;"}.get(ending, "")
    counts = {mark: header.count(mark) for mark in ",\t;"}
    there = [mark for mark in counts if counts[mark]]
    if named := [mark for mark in there if mark in usual]:
        there = named
    if not there:
        return usual[:1] or ","
    return max(there, key=lambda mark: counts[mark])


def _first_line(lines: Iterator[str]) -> tuple[str, str]:
    """The header, and the separator that a line before it names, as Excel writes it."""
    first = next((line for line in lines if line.strip()), "")
    if told := _SEPARATED.fullmatch(first):
        return next((line for line in lines if line.strip()), ""), told[1]
    return first, ""


def _ahead(rows: Iterator[Cells], header: list[str]) -> tuple[list[Cells], bool]:
    """The first few rows, and whether they have names in front, as far as they tell.

    A cell with a comma in it makes some rows longer, names of rows make all of them so.
    """
    ahead: list[Cells] = []
    size = telling = 0
    for row in rows:
        ahead.append(row)
        if row.problem:
            continue
        if not _is_longer(row.cells, header):
            return ahead, False
        telling += 1
        size += sum(map(len, row.cells))
        if telling == _AHEAD or size > _HELD:
            break
    return ahead, bool(telling)


def _is_longer(cells: list[str], header: list[str]) -> bool:
    """Whether a row has a name in front: one cell more, and not an empty one behind."""
    return len(cells) == len(header) + 1 and bool(cells[-1].strip()) and bool(cells[0].strip())


def _fitted(rows: Iterator[Cells], width: int) -> Iterator[Cells]:
    """Rows as wide as the header: empty cells behind the last column are none."""
    for row in rows:
        cells = row.cells
        if len(cells) == width or row.problem:
            yield row
            continue
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        wrong = f"it has {len(cells)} cells and the header {width}" if len(cells) != width else ""
        yield Cells(cells, wrong)


def _without_blank_end(rows: Iterator[Cells]) -> Iterator[Cells]:
    """Rows but for those at the end that hold nothing, as spreadsheets leave them."""
    waiting: list[Cells] = []
    for row in rows:
        if not row.problem and not any(cell.strip() for cell in row.cells):
            waiting.append(row)
            continue
        if waiting:
            yield from waiting
            waiting.clear()
        yield row


def _quoted(first: str, lines: "_Lines", mark: str, limit: int) -> Iterator[Cells]:
    """Rows whose cells may be quoted; blank lines are none."""
    number, begins = 0, lines.number
    try:
        for row in quoted.rows(first, lines, mark, limit):
            if row != [""]:
                yield Cells(row) if row is not None else Cells([], _too_long(limit))
                number += 1
            begins = lines.number + 1
    except csv.Error as error:
        raise _unreadable(lines.path, number, begins, str(error)) from error


def _too_long(limit: int) -> str:
    if limit >= longest.most():
        return longest.problem()
    return f"it has more than {limit} characters: put long sequences into FASTA"


def _unreadable(path: Path, number: int, begins: int, why: str) -> DataError:
    is_open = "unexpected end" in why
    return DataError(
        "a quote in a table is not closed" if is_open else "a row of a table cannot be read",
        where=f"{path}, row {number}, which begins at line {begins}",
        why=why,
        do="double a quote within a quoted cell and close the cell, or write the table with "
        "tabs, where a quote is a letter",
    )


def _tabbed(first: str, lines: "_Lines", limit: int) -> Iterator[Cells]:
    """Rows with tabs between their cells, each a line; blank lines are none.

    A cell is taken out of quotes where the header stands in quotes, as R writes it, and where a
    doubled quote within it shows that it was put there. A row with too many cells may be one
    whose cells hold tabs in quotes.
    """
    width, below, is_quoted = 0, 0, False
    for line in chain([first], lines):
        if len(line) > limit and not line.endswith("\n"):
            lines.pass_over()
            yield Cells([], _too_long(limit))
            continue
        cells = line.split("\t")
        cells[-1] = cells[-1].removesuffix("\n")
        if cells == [""]:
            continue
        if '"' not in line:
            # A long line is not held while its cells are used.
            del line
            width, below = width or len(cells), below or (len(cells) if width else 0)
            yield Cells(cells)
            continue
        if not width:
            width, is_quoted = len(cells), all(_DOUBLED.fullmatch(cell) for cell in cells)
            yield Cells([_bare(cell, is_quoted) for cell in cells])
            continue
        whole = _with_tabs(line, below or width) if len(cells) != (below or width) else []
        del line
        below = below or len(whole or cells)
        yield Cells(whole or [_bare(cell, is_quoted) for cell in cells])


def _with_tabs(text: str, width: int) -> list[str]:
    """The cells of a line, tabs within quotes being letters; none where they do not fit."""
    try:
        cells = quoted.cells(text, iter(()), "\t", len(text)) or []
    except csv.Error:
        return []
    return cells if len(cells) == width else []


def _bare(cell: str, is_quoted: bool) -> str:
    """A cell without the quotes around it, where it has such; see ``_tabbed``."""
    if (is_quoted or '""' in cell) and (inner := _DOUBLED.fullmatch(cell)):
        return inner[1].replace('""', '"')
    if is_quoted and (inner := _ESCAPED.fullmatch(cell)):
        return inner[1].replace('\\"', '"')
    return cell


class _Lines:
    """Lines without a byte 0, with their ends; of a longer one a first piece, and further ones.

    Args:
        path: the name of the text.
        limit: characters of the longest line; the first piece of a longer one has one more.
    """

    def __init__(self, text: IO[str], path: Path, limit: int) -> None:
        self._text, self.path, self._limit = text, path, limit
        self._is_inside = False
        #: Of the line at hand, from 1.
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(min(_PIECE, self._limit) if self._is_inside else self._limit + 1)
        if not line:
            raise StopIteration
        if not self._is_inside:
            self.number += 1
        self._is_inside = not line.endswith("\n")
        if "\0" in line:
            raise DataError(
                "a table is not text",
                where=f"{self.path}, line {self.number}",
                why="there is a byte 0",
                do="convert it to UTF-8 (iconv -t UTF-8), or mend it",
            )
        return line

    def pass_over(self) -> None:
        """Drop what is left of the line at hand."""
        while self._is_inside and next(self, ""):
            pass
