"""A vocabulary read without its tokens, however many there are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from sslkit.artifacts import parquet
from sslkit.artifacts.manifest import Manifest
from sslkit.errors import DataError


def stated(path: Path) -> Manifest:
    """What a table says of its making.

    Raises:
        DataError: not a vocabulary, or one that cannot be read.
    """
    schema, made = parquet.read_manifest(path, "a vocabulary")
    if not {"token", "id", "count"} <= set(schema.names):
        raise DataError("this is not a vocabulary of sslkit", where=str(path))
    return made


def counts(path: Path) -> Iterator[npt.NDArray[np.int64]]:
    """The counts in order of id, in pieces.

    Raises:
        DataError: they cannot be read.
    """
    with (
        parquet.refusing("a vocabulary", path),
        pq.ParquetFile(path, page_checksum_verification=True) as file,
    ):
        for batch in file.iter_batches(columns=["count"]):
            yield np.asarray(batch.column(0))
