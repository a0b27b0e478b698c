"""Parquet tables of sslkit, read so that a damaged one is refused by name.

They are written with a checksum of each page (``write_page_checksum``), which readers compare.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.errors import DataError

#: What Arrow, and what is done with what it gives, raise for damaged files.
_DAMAGE = (
    pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError,
    NotImplementedError,
)  # fmt: skip


@contextmanager
def refusing(what: str, path: Path) -> Iterator[None]:
    """Turn all that damage can raise in the block into an error that names the file.

    Args:
        what: is read, as ``a vocabulary``.

    Raises:
        DataError: the block failed.
    """
    try:
        yield
    except _DAMAGE as error:
        raise DataError(
            f"{what} cannot be read",
            where=str(path),
            why=str(error).partition("\n")[0] or type(error).__name__,
            do="it is damaged, or something else: make it again",
        ) from error


def read(path: Path, what: str) -> pa.Table:
    """A table whose pages are as they were written, and whose texts are UTF-8.

    Raises:
        DataError: it is damaged.
    """
    with refusing(what, path):
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
    return table


def manifest_of(schema: pa.Schema, path: Path) -> Manifest | None:
    """What a table says of its making; None where it says nothing.

    Raises:
        DataError: that is damaged.
    """
    text = (schema.metadata or {}).get(manifest.METADATA_KEY)
    return None if text is None else manifest.from_json(text, str(path))


def read_manifest(path: Path, what: str) -> tuple[pa.Schema, Manifest]:
    """The columns of a table and what it says of its making, read without its rows.

    Raises:
        DataError: it is damaged, or was not made by sslkit.
    """
    with refusing(what, path):
        schema = pq.read_schema(path)
    made = manifest_of(schema, path)
    if made is None:
        raise DataError(
            f"this is not {what} made by sslkit",
            where=str(path),
            why=f"its columns are {', '.join(schema.names)}",
        )
    return schema, made


def check_columns(table: pa.Table, wanted: pa.Schema, what: str, path: Path) -> None:
    """Refuse a table without some columns, or with others of that name.

    Raises:
        DataError: a column is missing, of another type, or lacks values that it must have.
    """
    for field in wanted:
        places = table.schema.get_all_field_indices(field.name)
        if len(places) != 1 or table.schema.field(places[0]).type != field.type:
            why = f"it has no column {field.name} of type {field.type}"
        elif not field.nullable and table.column(places[0]).null_count:
            why = f"column {field.name} lacks values"
        else:
            continue
        raise DataError(f"{what} is damaged", where=str(path), why=why, do="make it again")
