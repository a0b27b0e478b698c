"""Tables as text: comma, semicolon or tab between the cells, a header above them.

Between commas and semicolons a quoted cell may hold anything, line ends included (RFC 4180).
Between tabs a quote is a letter (IANA text/tab-separated-values) and a line is a row; only what R,
pandas and Excel certainly quoted is taken out of its quotes, see ``_Tabbed``.
"""

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

from sslkit.errors import DataError
from sslkit.files import source

_SEPARATED = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
#: A cell in quotes: quotes within are doubled, or escaped as R does it.
_DOUBLED = re.compile(r'"((?:[^"]|"")*)"')
_ESCAPED = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: Rows that are looked at before the first of them is given.
_AHEAD = 8


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
        limit: characters of the longest row.

    Raises:
        DataError: no header, or two columns of one name.
    """
    lines = _bounded(text, path, limit)
    first, told = _first_line(lines)
    if not first:
        raise source.empty(path, "it is a table without a row of names")
    mark = told or separator(path, first)
    csv.field_size_limit(limit)
    everything = chain([first], lines)
    rows = _tabbed(everything) if mark == "\t" else _quoted(everything, mark, path)
    header = [name.strip() for name in next(rows).cells]
    while len(header) > 1 and not header[-1]:
        header.pop()
    ahead = list(islice(rows, _AHEAD))
    # A cell with a comma in it makes some rows longer, names of rows make all of them so.
    has_row_names = bool(ahead) and all(_is_longer(row.cells, header) for row in ahead)
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


def _is_longer(cells: list[str], header: list[str]) -> bool:
    """Whether a row has a name in front: one cell more, and not an empty one behind."""
    return len(cells) == len(header) + 1 and bool(cells[-1].strip()) and bool(cells[0].strip())


def _fitted(rows: Iterator[Cells], width: int) -> Iterator[Cells]:
    """Rows as wide as the header: empty cells behind the last column are none."""
    for row in rows:
        cells = row.cells
        if len(cells) == width:
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
        if not any(cell.strip() for cell in row.cells):
            waiting.append(row)
            continue
        if waiting:
            yield from waiting
            waiting.clear()
        yield row


def _quoted(lines: Iterator[str], mark: str, path: Path) -> Iterator[Cells]:
    """Rows whose cells may be quoted; blank lines are none."""
    # strict: a quote that is never closed would otherwise swallow the rest of the file.
    reader = csv.reader(lines, delimiter=mark, strict=True)
    number, begins = 0, 1
    try:
        for cells in reader:
            if cells:
                yield Cells(cells)
                number += 1
            begins = reader.line_num + 1
    except csv.Error as error:
        is_open = "unexpected end" in str(error)
        raise DataError(
            "a quote in a table is not closed" if is_open else "a row of a table cannot be read",
            where=f"{path}, row {number}, which begins at line {begins}",
            why=str(error),
            do="double a quote within a quoted cell and close the cell, or write the table with "
            "tabs, where a quote is a letter",
        ) from error


def _tabbed(lines: Iterator[str]) -> Iterator[Cells]:
    """Rows with tabs between their cells, each a line; blank lines are none.

    A cell is taken out of quotes where the header stands in quotes, as R writes it, and where a
    doubled quote within it shows that it was put there. A row with too many cells may be one
    whose cells hold tabs in quotes.
    """
    width, below, quoted = 0, 0, False
    for line in lines:
        text = line.rstrip("\n")
        if not text:
            continue
        cells = text.split("\t")
        if '"' not in text:
            width, below = width or len(cells), below or (len(cells) if width else 0)
            yield Cells(cells)
            continue
        if not width:
            width, quoted = len(cells), all(_DOUBLED.fullmatch(cell) for cell in cells)
            yield Cells([_bare(cell, quoted) for cell in cells])
            continue
        whole = _with_tabs(text, below or width) if len(cells) != (below or width) else []
        below = below or len(whole or cells)
        yield Cells(whole or [_bare(cell, quoted) for cell in cells])


def _with_tabs(text: str, width: int) -> list[str]:
    """The cells of a line, tabs within quotes being letters; none where they do not fit."""
    try:
        (cells,) = csv.reader([text], delimiter="\t", strict=True)
    except (csv.Error, ValueError):
        return []
    return cells if len(cells) == width else []


def _bare(cell: str, quoted: bool) -> str:
    """A cell without the quotes around it, where it has such; see ``_tabbed``."""
    if (quoted or '""' in cell) and (inner := _DOUBLED.fullmatch(cell)):
        return inner[1].replace('""', '"')
    if quoted and (inner := _ESCAPED.fullmatch(cell)):
        return inner[1].replace('\\"', '"')
    return cell


def _bounded(text: IO[str], path: Path, limit: int) -> Iterator[str]:
    """Lines, none of them longer than ``limit``, and without a byte 0."""
    number = 0
    while line := text.readline(limit):
        number += 1
        if len(line) == limit and not line.endswith("\n"):
            raise DataError(
                "a row of a table is too long",
                where=str(path),
                why=f"it has more than {limit} characters",
                do="put long sequences into FASTA, long texts into files of their own, or raise "
                "--max-record",
            )
        if "\0" in line:
            raise DataError(
                "a table is not text",
                where=f"{path}, line {number}",
                why="there is a byte 0",
                do="convert it to UTF-8 (iconv -t UTF-8), or mend it",
            )
        yield line
