"""Tables with a sequence per row: CSV, TSV and Parquet, plain or compressed, row by row."""

import codecs
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sslkit.errors import DataError, EmptyFileError, OnError
from sslkit.files import delimited, parquet, source
from sslkit.files.columns import (
    ID_NAMES,
    LABEL_NAMES,
    SEQUENCE_NAMES,
    SPLIT_NAMES,
    Columns,
    Layout,
    layout,
)
from sslkit.files.delimited import Cells
from sslkit.files.longest import most

ENDINGS = (".csv", ".tsv", ".parquet")

#: The longest cell; csv's own limit of 128 KiB is less than a plasmid.
_CELL_LIMIT = 2**30
#: Rows that are looked at behind a bad one, for one that can be used.
_AHEAD = 1000
_HEAD = 4096
_KNOWN_NAMES = {*SEQUENCE_NAMES, *ID_NAMES, *LABEL_NAMES, *SPLIT_NAMES}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    ``text`` is the cell of the sequence column, ``values`` holds every cell by the name of its
    column, all as text; a null of a Parquet file is an empty text. ``number`` counts the rows
    below the header from 1. ``error`` says what is wrong with a row that was passed over.
    """

    id: str
    text: str
    values: Mapping[str, str]
    number: int
    error: str = ""


class Found(NamedTuple):
    """The names of the columns that are meant; None where there is none."""

    header: list[str]
    sequence: str
    label: str | None
    id: str | None
    split: str | None


def is_table(path: Path, head: bytes, own: Sequence[str] = (), *, is_named: bool = False) -> bool:
    """Whether a file that begins so is a table: the one rule of all stages.

    Its name tells, or that somebody named a column; of another file its first line does, where it
    names columns: one with sequences where no domain knows the ending, and two of any of the usual
    names where it is that of running text.

    Args:
        own: endings of the names of files that a domain reads as they are.
        is_named: whether a column was named.
    """
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith(parquet.MAGIC):
        return True
    name = source.plain_name(path).lower()
    if text.startswith((b">", b"@", b"LOCUS ", b"# STOCKHOLM")):
        return False
    if is_named or name.endswith(ENDINGS):
        return True
    is_text = name.endswith((".txt", ".text"))
    if name.endswith(tuple(own)) and not is_text:
        return False
    line = text.decode("utf-8", "replace").partition("\n")[0].lower()
    cells = [cell.strip().strip('"') for cell in line.split(delimited.separator(path, line))]
    known = _KNOWN_NAMES.intersection(cells)
    named = known.intersection(SEQUENCE_NAMES)
    return len(cells) > 1 and bool(named) and len(known) > (1 if is_text else 0)


def are_pairs(head: bytes) -> bool:
    """Whether a file that begins so has lines of two columns, and no usual names above them."""
    if head.startswith(parquet.MAGIC):
        return False
    *lines, _ = head.decode("utf-8", "replace").split("\n")
    cells = [line.split("\t") for line in lines if line.strip()]
    names = {*SEQUENCE_NAMES, *ID_NAMES}
    return bool(cells) and {2} == set(map(len, cells)) and not names & {*map(str.lower, cells[0])}


def starts(
    stream: io.BufferedReader, path: Path, own: Sequence[str] = (), *, is_named: bool = False
) -> bool:
    """``is_table`` of an open stream at its begin; nothing is taken from it."""
    return is_table(path, stream.peek(_HEAD)[:_HEAD], own, is_named=is_named)


def read(path: Path, columns: Columns | None = None, on_error: OnError = "stop") -> Iterator[Row]:
    """The rows of a table in order.

    Args:
        columns: where things are; the ids of tables without any are the numbers of rows.
        on_error: what a row does whose cells do not match the columns or whose id, in a column
            that was named, is empty: stop with a DataError, or be given with ``error``.

    Raises:
        DataError: no row, a column that is not there, a file that is not a table.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path, columns, on_error)


def parse(
    stream: io.BufferedReader,
    path: Path,
    columns: Columns | None = None,
    on_error: OnError = "stop",
    longest: int | None = None,
) -> Iterator[Row]:
    """``read`` from an open stream; ``path`` is its name in errors.

    Args:
        longest: for tables larger than memory: rows of more bytes are bad, bytes of the
            sequence that are no UTF-8 become lone surrogates, and of Parquet only ids and
            sequences are read.
    """
    with _opened(stream, path, longest) as table:
        number = 0
        rows = _rows(table, path, columns or Columns())
        for row in rows:
            number = row.number
            if row.error and on_error == "stop":
                helps = number > 1 or any(not other.error for other in islice(rows, _AHEAD))
                raise DataError(
                    "a row of a table cannot be used",
                    where=f"{path}, row {number}",
                    why=row.error,
                    do="mend the row, or pass such rows over with --on-error skip"
                    if helps
                    else "mend the table: its other rows are alike",
                )
            yield row
        if not number:
            raise EmptyFileError(
                "a table has no row",
                where=str(path),
                why=f"there is only its header: {', '.join(table.header)}",
                do="leave the file out, or fill it",
            )


def read_sparingly(path: Path, columns: Columns, longest: int) -> Iterator[Row]:
    """``read`` for ids and sequences alone; bad rows carry ``error``."""
    with source.open_bytes(path) as stream:
        yield from parse(stream, path, columns, "skip", longest)


def header(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        DataError: an empty file, or one that is not a table.
    """
    with source.open_bytes(path) as stream, _opened(stream, path) as table:
        return table.header


def columns(path: Path, wanted: Columns) -> Found:
    """The names of a table's columns, and of those that are meant.

    Raises:
        DataError: an empty file, one that is not a table, or a column that is not there.
    """
    with source.open_bytes(path) as stream, _opened(stream, path) as table:
        return _places(table, path, wanted)[1]


def meant(path: Path, header: list[str], wanted: Columns) -> Found:
    """The same of a header that was read already."""
    return _places(_Table(header, _no_rows), path, wanted)[1]


def _no_rows(names: Sequence[str]) -> Iterator[Cells]:
    del names
    return iter(())


class _Table(NamedTuple):
    """An open table.

    Attributes:
        rows: gives them with the cells of some columns, or of all.
        nested: columns that hold no text, and what they hold.
        numbers: columns whose whole numbers may be written with decimals.
        has_row_names: whether the first column has no name and holds names of rows.
    """

    header: list[str]
    rows: Callable[[Sequence[str]], Iterator[Cells]]
    nested: Mapping[str, str] = {}
    numbers: frozenset[str] = frozenset()
    has_row_names: bool = False


def _places(table: _Table, path: Path, wanted: Columns) -> tuple[Layout, Found]:
    """Places and names of the columns; names of rows are ids where there are no others."""
    at = layout(path, table.header, wanted, table.nested)
    if at.id is None and table.has_row_names and wanted.id_names:
        at = replace(at, id=0)
    label, name, split = (
        None if place is None else table.header[place] for place in (at.label, at.id, at.split)
    )
    return at, Found(table.header, table.header[at.sequence], label, name, split)


def _rows(table: _Table, path: Path, wanted: Columns) -> Iterator[Row]:
    at, found = _places(table, path, wanted)
    is_number = found.id in table.numbers
    read = [name for name in (found.sequence, found.id) if name is not None]
    for number, (cells, problem) in enumerate(table.rows(read), 1):
        if problem:
            yield Row(str(number), "", {}, number, problem)
            continue
        name = "" if at.id is None else cells[at.id].strip()
        if not (name or at.id is None or at.guessed_id):
            why = f"its id, in column {found.id!r}, is empty"
            yield Row(str(number), "", {}, number, why)
            continue
        if is_number:
            name = parquet.whole_number(name)
        values = dict(zip(table.header, cells, strict=True))
        yield Row(name or str(number), cells[at.sequence], values, number)


@contextmanager
def _opened(stream: io.BufferedReader, path: Path, longest: int | None = None) -> Iterator[_Table]:
    """Columns and rows, as text, of whichever format the stream holds; see ``parse``."""
    with ExitStack() as stack:
        try:
            if stream.peek(len(parquet.MAGIC)).startswith(parquet.MAGIC):
                sparing = longest is not None
                held = stack.enter_context(parquet.opened(stream, path, sparing=sparing))
                rows = held.rows if sparing else lambda _: held.rows(held.header)
                yield _Table(held.header, rows, held.nested, held.numbers)
                return
            errors = "strict" if longest is None else "surrogateescape"
            text = source.as_text(stream, errors)
            limit = min(longest or _CELL_LIMIT, most())
            lines = delimited.read(text, path, limit)
            yield _Table(lines.header, lambda _: lines.rows, has_row_names=lines.has_row_names)
        except pa.ArrowException as error:
            raise DataError("a table cannot be read", where=str(path), why=str(error)) from error
