"""Tables as Parquet: cells of any plain type as text, row by row."""

import io
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.errors import DataError
from sslkit.files import atomic, longest, scratch
from sslkit.files.delimited import Cells

MAGIC = b"PAR1"

_BATCH_ROWS = 1024
_PAGE = 1 << 21


class Columnar(NamedTuple):
    """A table of typed columns.

    Attributes:
        header: names of the columns whose cells are text or can be written as text.
        nested: the other ones, which can be large, and what they hold.
        numbers: names of columns of floating-point and decimal numbers.
    """

    header: list[str]
    nested: Mapping[str, str]
    numbers: frozenset[str]
    rows: Callable[[Sequence[str]], Iterator[Cells]]


@contextmanager
def opened(stream: io.BufferedReader, path: Path, *, sparing: bool) -> Iterator[Columnar]:
    """A table from an open stream.

    Its ``rows(names)`` are given as wide as the header; cells of other columns stay empty.

    Args:
        sparing: read columns page by page, not a group of rows at a time.

    Raises:
        DataError: two columns of one name.
    """
    with ExitStack() as stack:
        whole = stack.enter_context(_seekable(stream))
        buffered = {"buffer_size": _PAGE, "pre_buffer": False} if sparing else {}
        file = stack.enter_context(pq.ParquetFile(whole, **buffered))
        fields = list(file.schema_arrow)
        names = [field.name for field in fields]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError("a table names a column twice", where=str(path), why=", ".join(twice))
        flat = [field for field in fields if not pa.types.is_nested(_values(field.type))]
        yield Columnar(
            [field.name for field in flat],
            {field.name: str(field.type) for field in fields if field not in flat},
            frozenset(field.name for field in flat if _is_number(_values(field.type))),
            lambda wanted: _rows(file, flat, wanted),
        )


def whole_number(text: str) -> str:
    """A number without the decimals that it gets in a column that lacks some numbers."""
    try:
        value = float(text)
    except ValueError:
        return text
    return str(int(value)) if value.is_integer() else text


def _rows(file: Any, flat: Sequence[Any], wanted: Sequence[str]) -> Iterator[Cells]:
    read = [field.name for field in flat if field.name in wanted]
    for batch in file.iter_batches(_rows_at_once(file), columns=read):
        empty = [""] * len(batch)
        problems: dict[int, str] = {}
        columns = [
            _texts(field, batch.column(field.name), problems) if field.name in read else empty
            for field in flat
        ]
        for number, cells in enumerate(zip(*columns, strict=True)):
            yield Cells(list(cells), problems.get(number, ""))


def _texts(field: Any, column: Any, problems: dict[int, str]) -> list[str]:
    """Cells as text; a null and NaN are empty.

    Args:
        problems: by the number of a row, what is wrong with it; added to.
    """
    kind = _values(field.type)
    cells = _bounded(field, column, problems)
    if _is_bytes(kind):
        return [_decoded(field.name, at, cell, problems) for at, cell in enumerate(cells)]
    if _is_number(kind):
        return ["" if cell is None or math.isnan(cell) else str(cell) for cell in cells]
    return ["" if cell is None else str(cell) for cell in cells]


def _bounded(field: Any, column: Any, problems: dict[int, str]) -> list[Any]:
    """The cells of a column; None for one that is longer than a record may be."""
    if not longest.is_exceeded(column.nbytes):
        return list(column.to_pylist())
    cells: list[Any] = []
    for at, cell in enumerate(column):
        value = cell.value if hasattr(cell, "index") else cell
        buffer = value.as_buffer() if hasattr(value, "as_buffer") else None
        if buffer is not None and longest.is_exceeded(buffer.size):
            problems[at] = longest.problem(f"its cell of column {field.name!r}")
            cells.append(None)
        else:
            cells.append(cell.as_py())
    return cells


def _decoded(name: str, at: int, cell: bytes | None, problems: dict[int, str]) -> str:
    if cell is None:
        return ""
    try:
        return bytes(cell).decode()
    except UnicodeDecodeError as error:
        problems[at] = (
            f"its cell of column {name!r} is no UTF-8 text: {error.reason} at byte "
            f"{error.start + 1}"
        )
        return ""


def _values(kind: Any) -> Any:
    """The type of what a dictionary stands for."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_bytes(kind: Any) -> bool:
    types = pa.types
    several = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return any(is_it(kind) for is_it in several) or str(kind) == "binary_view"


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


@contextmanager
def _seekable(stream: io.BufferedReader) -> Iterator[IO[bytes]]:
    """Parquet is read from its end: a pipe or a compressed file is copied to scratch first."""
    if isinstance(stream.raw, io.FileIO) and stream.seekable():
        yield stream
        return
    folder = atomic.scratch()
    with ExitStack() as stack:
        with atomic.writing(folder, "set TMPDIR to another folder"):
            copy = stack.enter_context(tempfile.TemporaryFile(buffering=0, dir=folder))
        scratch.copy(stream, copy, folder)
        copy.seek(0)
        yield copy


def _rows_at_once(file: Any) -> int:
    """How many rows take about a page, by what the file says of its largest ones."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    row = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=1)
    return int(min(_BATCH_ROWS, max(1, _PAGE // max(row, 1))))
