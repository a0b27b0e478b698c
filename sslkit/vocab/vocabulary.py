"""The vocabulary: ``vocab.parquet`` with token, id and count, most frequent first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import parquet
from sslkit.artifacts.manifest import METADATA_KEY, Manifest
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic
from sslkit.types import Spelling
from sslkit.vocab import spelling
from sslkit.vocab.external_sort.columns import contents, integers
from sslkit.vocab.external_sort.runs import MOST_TOKENS

SCHEMA = pa.schema(
    [
        # Without nulls, writing takes a sixth less.
        pa.field("token", pa.string(), nullable=False),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
    ]
)
#: Rows that are written, and can be read, at once; fewer where their tokens are long.
ROW_GROUP = 1 << 17
GROUP_BYTES = 1 << 23
# Ids ascend and counts descend, so that differences take nearly no room. A stronger compression of
# the tokens (zstd) saves a third of the bytes and takes three times as long.
_WHAT = "a vocabulary"
_FORMAT: dict[str, Any] = {
    "compression": "snappy",
    "use_dictionary": False,
    "column_encoding": {
        "token": "PLAIN", "id": "DELTA_BINARY_PACKED", "count": "DELTA_BINARY_PACKED"
    },
    "write_statistics": ["id", "count"],
    "write_batch_size": 1 << 14,
    "write_page_checksum": True,
}  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id and their exact counts; implements ``types.Vocabulary``."""

    tokens: Sequence[str]
    counts: npt.NDArray[np.int64]
    spelling: Spelling | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def entropy(self) -> float:
        """Entropy of the unigram distribution, in nats per token."""
        share = self.counts[self.counts > 0] / self.counts.sum()
        return float(-(share * np.log(share)).sum())


def save(path: Path, vocabulary: Vocabulary, manifest_json: str) -> None:
    """Write a table that is in memory; the rows stand in order of id."""
    tokens = pa.array(vocabulary.tokens, pa.string())
    if vocabulary.spelling is None:
        write(path, [(tokens, vocabulary.counts)], manifest_json)
        return
    field, column = spelling.column(list(vocabulary.tokens), vocabulary.spelling)
    schema = SCHEMA.append(field).with_metadata({METADATA_KEY: manifest_json.encode()})
    ids = np.arange(len(vocabulary))
    table = pa.table([tokens, ids, vocabulary.counts, column], schema=schema)
    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, row_group_size=ROW_GROUP, **_FORMAT)


def write(
    path: Path,
    pieces: Iterable[tuple[Any, npt.NDArray[np.int64]]],
    manifest_json: str,
) -> int:
    """Write a table piece by piece; the bytes do not depend on how it was cut.

    Args:
        path: the file; it appears when it is whole.
        pieces: tokens (Arrow strings) and counts, in order of id.

    Returns:
        the number of rows.

    Raises:
        ResourceError: the disk is full, or the folder cannot be written to.
    """
    rows = 0
    schema = SCHEMA.with_metadata({METADATA_KEY: manifest_json.encode()})
    with (
        atomic.replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, **_FORMAT) as writer,
    ):
        for tokens, counts in _regrouped(pieces):
            ids = integers(np.arange(rows, rows + len(counts)))
            writer.write_batch(pa.record_batch([tokens, ids, integers(counts)], schema=schema))
            rows += len(counts)
    return rows


def _regrouped(
    pieces: Iterable[tuple[Any, npt.NDArray[np.int64]]],
) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """The same rows in groups of ``ROW_GROUP``, or as many as have ``GROUP_BYTES``."""
    tokens: list[Any] = []
    counts: list[npt.NDArray[np.int64]] = []
    rows = size = 0
    for piece, numbers in pieces:
        before, _ = contents(piece)
        start = 0
        while start < len(numbers):
            room = before[start] + GROUP_BYTES - size
            fitting = int(np.searchsorted(before, room, side="right")) - 1 - start
            some = min(ROW_GROUP - rows, max(fitting, not rows), len(numbers) - start)
            if not some:
                yield _one(tokens, counts)
                tokens, counts, rows, size = [], [], 0, 0
                continue
            tokens.append(piece.slice(start, some))
            counts.append(numbers[start : start + some])
            size += int(before[start + some] - before[start])
            rows, start = rows + some, start + some
    if rows:
        yield _one(tokens, counts)


def _one(
    tokens: list[Any], counts: list[npt.NDArray[np.int64]]
) -> tuple[Any, npt.NDArray[np.int64]]:
    if len(tokens) == 1:
        return tokens[0], counts[0]
    return pa.concat_arrays(tokens), np.concatenate(counts)


def load(path: Path) -> tuple[Vocabulary, Manifest]:
    """Read a table and what it says of its making.

    Raises:
        UsageError: there is none.
        DataError: not a vocabulary, or one that build-vocab cannot have written.
    """
    if not path.is_file():
        raise UsageError(
            f"there is no vocabulary {path}",
            do="run sslkit build-vocab first, or name one with --vocab",
        )
    table = parquet.read(path, _WHAT)
    made = parquet.manifest_of(table.schema, path)
    if made is None or not set(SCHEMA.names) <= set(table.column_names):
        raise DataError("this is not a vocabulary of sslkit", where=str(path))
    method, pieces = made.settings.get("subword"), None
    schema = SCHEMA.append(spelling.field(method)) if method else SCHEMA
    parquet.check_columns(table, schema, _WHAT, path)
    problem = _problem(table, made)
    if method and not problem:
        try:
            pieces = spelling.of_table(table, method, len(made.settings.get("special", [])))
        except ValueError as error:
            problem = str(error)
    if problem:
        raise DataError(
            "a vocabulary is damaged",
            where=str(path),
            why=problem,
            do="make it again with sslkit build-vocab",
        )
    return Vocabulary(table["token"].to_pylist(), table["count"].to_numpy(), pieces), made


def _problem(table: pa.Table, made: Manifest) -> str:
    """Why build-vocab cannot have written a table; "" where it can."""
    counts, results = table["count"].to_numpy(), made.results
    if not len(counts):
        return "it holds no token"
    if not np.array_equal(table["id"].to_numpy(), np.arange(len(counts))):
        return "its ids are not 0, 1, 2, ..."
    if counts.min() < 0 or not counts.any() or counts.sum(dtype=np.float64) > MOST_TOKENS:
        return "its counts cannot be those of a corpus"
    if len(table["token"].unique()) < len(counts):
        return "a token stands in it twice"
    if results.get("size", len(counts)) != len(counts):
        return f"it has {len(counts)} tokens, and was written with {results['size']}"
    if "subwords" not in results and {"tokens", "cut_tokens"} <= set(results):
        total, known = int(counts.sum()), (results["tokens"], results["cut_tokens"])
        if not all(type(value) is int for value in known) or total != known[0] - known[1]:
            return f"its counts come to {total}, which is not what was written"
    return ""
