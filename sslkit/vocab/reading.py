"""A vocabulary read without its tokens, however many there are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import METADATA_KEY, Manifest
from sslkit.errors import DataError


def stated(path: Path) -> Manifest:
    """What a table says of its making.

    Raises:
        DataError: not a vocabulary, or one that cannot be read.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError("a vocabulary cannot be read", where=str(path), why=str(error)) from error
    if not {"token", "id", "count"} <= set(schema.names) or METADATA_KEY not in (
        schema.metadata or {}
    ):
        raise DataError("this is not a vocabulary of sslkit", where=str(path))
    return manifest.from_json(schema.metadata[METADATA_KEY].decode(), str(path))


def counts(path: Path) -> Iterator[npt.NDArray[np.int64]]:
    """The counts in order of id, in pieces.

    Raises:
        DataError: they cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["count"]):
                yield np.asarray(batch.column(0))
    except (pa.ArrowException, OSError) as error:
        raise DataError("a vocabulary cannot be read", where=str(path), why=str(error)) from error
