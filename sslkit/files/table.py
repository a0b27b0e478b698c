"""Tables with a sequence per row: CSV, TSV and Parquet, plain or compressed, row by row."""

import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.errors import DataError, OnError
from sslkit.files import atomic, molecules, source

#: Names, in lower case, under which the sequence is looked for, first match first.
SEQUENCE_NAMES = (
    "sequence", "seq", "sequences", "dna", "rna", "dna_sequence", "nucleotide_sequence", "text",
    *molecules.COLUMNS,
)  # fmt: skip
#: Names, in lower case, under which the id is looked for.
ID_NAMES = ("id", "name", "seq_id", "sequence_id", "identifier", "accession")
ENDINGS = (".csv", ".tsv", ".parquet")

_PARQUET_MAGIC = b"PAR1"
_BATCH_ROWS = 1024
_PAGE = 1 << 21
#: The longest cell; csv's own limit of 128 KiB is less than a plasmid.
_CELL_LIMIT = 2**30


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


def read(
    path: Path,
    sequence_column: str | None = None,
    id_column: str | None = None,
    on_error: OnError = "stop",
) -> Iterator[Row]:
    """The rows of a table in order.

    Args:
        sequence_column: where the sequence is; None looks for one of ``SEQUENCE_NAMES``.
        id_column: where the id is; None looks for one of ``ID_NAMES``, and numbers the rows
            where there is none.
        on_error: what a row does whose cells do not match the columns or whose id is empty:
            stop with a DataError, or be given with ``error``.

    Raises:
        DataError: an empty file, a column that is not there, a file that is not a table.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path, sequence_column, id_column, on_error)


def parse(
    stream: io.BufferedReader,
    path: Path,
    sequence_column: str | None = None,
    id_column: str | None = None,
    on_error: OnError = "stop",
    longest: int | None = None,
) -> Iterator[Row]:
    """``read`` from an open stream; ``path`` is its name in errors.

    Args:
        longest: for tables larger than memory: rows of more bytes are refused, bytes of the
            sequence that are no UTF-8 become lone surrogates, and of Parquet only ids and
            sequences are read.
    """
    with _opened(stream, path, (sequence_column, id_column), longest) as (header, rows):
        text_at = _find(path, header, sequence_column, SEQUENCE_NAMES, "sequence")
        if text_at is None:
            raise _missing(path, header, "a sequence column", "name it with --sequence-column")
        id_at = _find(path, header, id_column, ID_NAMES, "id")
        for number, cells in enumerate(rows, 1):
            problem = ""
            if len(cells) != len(header):
                problem = f"it has {len(cells)} cells and the header {len(header)}"
            elif id_at is not None and not cells[id_at].strip():
                problem = f"its id, in column {header[id_at]!r}, is empty"
            if problem and on_error == "stop":
                raise DataError(
                    "a row of a table cannot be used",
                    where=f"{path}, row {number}",
                    why=problem,
                    do="mend the row, or pass such rows over with --on-error skip",
                )
            if problem:
                yield Row(str(number), "", {}, number, problem)
                continue
            name = str(number) if id_at is None else cells[id_at].strip()
            yield Row(name, cells[text_at], dict(zip(header, cells, strict=True)), number)


def columns(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        DataError: an empty file, or one that is not a table.
    """
    with source.open_bytes(path) as stream, _opened(stream, path) as (header, _):
        return header


def _find(
    path: Path, header: Sequence[str], asked: str | None, names: Sequence[str], what: str
) -> int | None:
    if asked is not None:
        if asked not in header:
            raise _missing(path, header, f"the column {asked!r}", f"mend --{what}-column")
        return header.index(asked)
    lowered = [name.lower() for name in header]
    return next((lowered.index(name) for name in names if name in lowered), None)


def _missing(path: Path, header: Sequence[str], what: str, do: str) -> DataError:
    there = ", ".join(header)
    return DataError(
        f"a table lacks {what}", where=str(path), why=f"its columns are {there}", do=do
    )


@contextmanager
def _opened(
    stream: io.BufferedReader,
    path: Path,
    asked: tuple[str | None, ...] = (),
    longest: int | None = None,
) -> Iterator[tuple[list[str], Iterator[Sequence[str]]]]:
    """Header and rows, as text, of whichever format the stream holds; see ``parse``."""
    with ExitStack() as stack:
        try:
            if stream.peek(len(_PARQUET_MAGIC)).startswith(_PARQUET_MAGIC):
                whole = stack.enter_context(_seekable(stream))
                # With a buffer, a column is read page by page, not a group of rows at a time.
                buffered = {} if longest is None else {"buffer_size": _PAGE, "pre_buffer": False}
                file = stack.enter_context(pq.ParquetFile(whole, **buffered))
                yield _parquet(file, None if longest is None else asked)
            elif longest is None:
                yield _delimited(source.as_text(stream), path, _CELL_LIMIT)
            else:
                yield _delimited(source.as_text(stream, "surrogateescape"), path, longest)
        except (csv.Error, pa.ArrowException) as error:
            raise DataError("a table cannot be read", where=str(path), why=str(error)) from error


@contextmanager
def _seekable(stream: io.BufferedReader) -> Iterator[IO[bytes]]:
    """Parquet is read from its end: a pipe or a compressed file is copied to scratch first."""
    if isinstance(stream.raw, io.FileIO) and stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile(dir=atomic.scratch()) as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _parquet(
    file: Any, asked: tuple[str | None, ...] | None
) -> tuple[list[str], Iterator[Sequence[str]]]:
    """Header and rows; where ``asked`` is given, cells of other columns stay empty."""
    # Lists and structures (an embedding, say) are no text and can be large.
    flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    usual = (*SEQUENCE_NAMES, *ID_NAMES)
    read = [name for name in flat if asked is None or name in asked or name.lower() in usual]

    def rows() -> Iterator[Sequence[str]]:
        for batch in file.iter_batches(_rows_at_once(file), columns=read):
            empty = [None] * len(batch)
            held = [batch.column(name).to_pylist() if name in read else empty for name in flat]
            for cells in zip(*held, strict=True):
                yield ["" if cell is None else str(cell) for cell in cells]

    return flat, rows()


def _rows_at_once(file: Any) -> int:
    """How many rows take about a page, by what the file says of its largest ones."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    row = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=1)
    return int(min(_BATCH_ROWS, max(1, _PAGE // max(row, 1))))


def _delimited(text: IO[str], path: Path, limit: int) -> tuple[list[str], Iterator[Sequence[str]]]:
    lines = _bounded(text, path, limit)
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise DataError("a table is empty", where=str(path), do="leave the file out, or fill it")
    counts = {mark: first.count(mark) for mark in ",\t;"}
    mark = max(counts, key=lambda each: counts[each])
    csv.field_size_limit(limit)
    # strict: a quote that is never closed would otherwise swallow the rest of the file.
    reader = csv.reader(chain([first], lines), delimiter=mark, strict=True)
    header = [name.strip() for name in next(reader)]
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise DataError("a table names a column twice", where=str(path), why=", ".join(twice))
    return header, (cells for cells in reader if cells)


def _bounded(text: IO[str], path: Path, limit: int) -> Iterator[str]:
    """Lines, none of them longer than ``limit``."""
    while line := text.readline(limit):
        if len(line) == limit and not line.endswith("\n"):
            raise DataError(
                "a row of a table is too long",
                where=str(path),
                why=f"it has more than {limit} characters",
                do="put long sequences into FASTA, long texts into files of their own",
            )
        yield line
