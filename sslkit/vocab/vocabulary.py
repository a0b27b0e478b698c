"""The vocabulary: ``vocab.parquet`` with token, id and count, most frequent first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.errors import DataError, UsageError
from sslkit.files import atomic

#: Schema metadata key that holds the manifest, here and in every table of sslkit.
METADATA_KEY = b"sslkit"
SCHEMA = pa.schema(
    [pa.field("token", pa.string()), pa.field("id", pa.int64()), pa.field("count", pa.int64())]
)


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id and their exact counts; implements ``types.Vocabulary``."""

    tokens: Sequence[str]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def entropy(self) -> float:
        """Entropy of the unigram distribution, in nats per token."""
        share = self.counts[self.counts > 0] / self.counts.sum()
        return float(-(share * np.log(share)).sum())


def save(path: Path, vocabulary: Vocabulary, manifest_json: str) -> None:
    """Write the table; the rows stand in order of id."""
    table = pa.table(
        {
            "token": pa.array(vocabulary.tokens, pa.string()),
            "id": pa.array(np.arange(len(vocabulary)), pa.int64()),
            "count": pa.array(vocabulary.counts, pa.int64()),
        },
        schema=SCHEMA.with_metadata({METADATA_KEY: manifest_json.encode()}),
    )
    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def load(path: Path) -> tuple[Vocabulary, str]:
    """Read a table and its manifest (JSON).

    Raises:
        UsageError: there is none.
        DataError: not a vocabulary.
    """
    if not path.is_file():
        raise UsageError(
            f"there is no vocabulary {path}",
            do="run sslkit build-vocab first, or name one with --vocab",
        )
    try:
        table = pq.read_table(path)
        missing = {"token", "id", "count"} - set(table.column_names)
        if missing or METADATA_KEY not in (table.schema.metadata or {}):
            raise DataError("this is not a vocabulary of sslkit", where=str(path))
        ids = table["id"].to_numpy()
        if not np.array_equal(ids, np.arange(len(ids))):
            raise DataError(
                "the ids of a vocabulary are not 0, 1, 2, ...",
                where=str(path),
                do="make it again with sslkit build-vocab",
            )
        found = Vocabulary(list(map(str, table["token"].to_pylist())), table["count"].to_numpy())
        return found, table.schema.metadata[METADATA_KEY].decode()
    except (pa.ArrowException, OSError) as error:
        raise DataError("a vocabulary cannot be read", where=str(path), why=str(error)) from error
