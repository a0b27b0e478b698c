"""The table of embeddings: Parquet, one row per record, or one row per token.

Columns: ``id`` string; ``row`` int64, position of the record in the input, from 0; ``embedding``
fixed-size list of float32, null where there is none; ``length`` int64, tokens of the record;
``truncated``, whether the encoder saw less than all of them; where there are any, ``label``
string and ``start`` and ``end`` int64, from 0, end left out: of the interval on its reference,
or of the token in its record; of a checkpoint that was fine-tuned, ``learned``, whether that was
on the label of an equal record. The schema's metadata holds the manifest under ``sslkit``.

Tables per token have a row per token and not a list per record: a reader gets a matrix as it
stands, and the longest record does not set the memory that anybody needs.

Floats are stored as split byte streams without statistics or compression: measured against
dictionaries, zstd and a column per dimension, the fastest to write and to read at equal size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import likeness, parquet
from sslkit.artifacts.manifest import METADATA_KEY, Manifest
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic

#: What the stage writes where no name is given.
NAME = "embeddings.parquet"
_WHAT = "a table of embeddings"
_VALUES = "embedding.list.element"
_GROUP_BYTES = 2**24
#: Vectors of so many bytes each are taken to be possible where a table has none.
_LEAST_WIDTH = 2**16


@dataclass(frozen=True)
class Embeddings:
    """A table in memory.

    Attributes:
        vectors: [N, width] float32, NaN in the rows that have none.
        present: [N] bool, whether a row has a vector.
        ids, labels: [N]; labels is None where the table has none.
        rows, lengths, truncated: [N].
        starts, ends: [N] int64, -1 where a row has none; None where the table has none.
        learned: [N] bool, whether the encoder was fine-tuned on the record; None where it was not
            fine-tuned.
    """

    manifest: Manifest
    vectors: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    ids: list[str]
    rows: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.bool_]
    labels: list[str | None] | None
    starts: npt.NDArray[np.int64] | None
    ends: npt.NDArray[np.int64] | None
    learned: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one record: one, or one for each of its tokens.

    Attributes:
        vectors: [rows, width], or None for a single row without an embedding.
        starts, ends: [rows], where the table has these columns.
    """

    id: str
    row: int
    length: int
    truncated: bool
    vectors: npt.NDArray[np.float32] | None
    label: str | None = None
    starts: npt.NDArray[np.int64] | None = None
    ends: npt.NDArray[np.int64] | None = None
    learned: bool | None = None


def schema(width: int, *, labels: bool, spans: bool, learned: bool = False) -> pa.Schema:
    """The columns, without a manifest."""
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("embedding", pa.list_(pa.float32(), width)),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
    ]
    if labels:
        fields.append(pa.field("label", pa.string()))
    if spans:
        fields += [pa.field("start", pa.int64()), pa.field("end", pa.int64())]
    if learned:
        fields.append(pa.field("learned", pa.bool_(), nullable=False))
    return pa.schema(fields)


def table(blocks: list[Block], columns: pa.Schema) -> pa.Table:
    """Blocks one below the other."""
    width = columns.field("embedding").type.list_size
    counts = np.array([1 if b.vectors is None else len(b.vectors) for b in blocks], np.int64)
    repeat = np.repeat(np.arange(len(blocks)), counts)
    absent = np.array([b.vectors is None for b in blocks], bool)[repeat]
    gap = np.zeros((1, width), np.float32)
    values = np.concatenate([gap[:0], *(gap if b.vectors is None else b.vectors for b in blocks)])
    held = {
        "id": pa.array([b.id for b in blocks], pa.string()).take(repeat),
        "row": np.array([b.row for b in blocks], np.int64)[repeat],
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(values.reshape(-1)), width, mask=pa.array(absent)
        ),
        "length": np.array([b.length for b in blocks], np.int64)[repeat],
        "truncated": np.array([b.truncated for b in blocks], bool)[repeat],
        "label": pa.array([b.label for b in blocks], pa.string()).take(repeat),
        "start": _spans([b.starts for b in blocks], counts),
        "end": _spans([b.ends for b in blocks], counts),
        "learned": np.array([bool(b.learned) for b in blocks], bool)[repeat],
    }
    return pa.table({name: held[name] for name in columns.names}, schema=columns)


def _spans(parts: list[npt.NDArray[np.int64] | None], counts: npt.NDArray[np.int64]) -> pa.Array:
    filled = [np.full(n, -1) if p is None else p for p, n in zip(parts, counts, strict=True)]
    values = np.concatenate([np.empty(0, np.int64), *filled])
    return pa.array(values, pa.int64(), mask=values < 0)


def write(path: Path, tables: Iterable[pa.Table], columns: pa.Schema, made: Manifest) -> int:
    """Write a table atomically and say how many rows it has.

    Equal rows and manifests give equal bytes, however the rows are divided among ``tables``.
    """
    columns = columns.with_metadata({METADATA_KEY: made.to_json().encode()})
    width = columns.field("embedding").type.list_size
    size = max(1, _GROUP_BYTES // (4 * width))
    others = [name for name in columns.names if name != "embedding"]
    written = 0
    with (
        atomic.replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            columns,
            use_dictionary=others,
            column_encoding={_VALUES: "BYTE_STREAM_SPLIT"},
            compression=dict.fromkeys(others, "zstd") | {_VALUES: "none"},
            write_statistics=others,
            write_page_checksum=True,
        ) as writer,
    ):
        for group in recut(tables, size):
            writer.write_table(group.cast(columns), row_group_size=size)
            written += len(group)
    return written


def mean_correlation(tables: Iterable[pa.Table]) -> float | None:
    """The mean correlation over all pairs of vectors; see ``artifacts.likeness``."""
    alike = likeness.Likeness()
    for group in recut(tables, likeness.ROWS):
        for column in group["embedding"].chunks:
            width = column.type.list_size
            alike.add(column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width))
    return alike.mean


def recut(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``size`` rows, the last one shorter."""
    held: list[pa.Table] = []
    rows = 0
    for part in tables:
        at = 0
        while at < len(part):
            held.append(part.slice(at, size - rows))
            at += len(held[-1])
            rows += len(held[-1])
            if rows == size:
                yield pa.concat_tables(held).combine_chunks()
                held, rows = [], 0
    if held:
        yield pa.concat_tables(held).combine_chunks()


def read_manifest(path: Path) -> Manifest:
    """What a table says of its making, read without its rows.

    Raises:
        UsageError: there is no such file.
        DataError: not a table of embeddings.
    """
    with _opened(path) as file:
        return _manifest(file, path)


def read(path: Path) -> Embeddings:
    """Read a table; memory is that of the matrix and one group of rows.

    Raises:
        UsageError: there is no such file.
        DataError: not a table of embeddings, or a damaged one.
    """
    with _opened(path) as file, parquet.refusing(_WHAT, path):
        made = _manifest(file, path)
        columns = [name for name in file.schema_arrow.names if name != "embedding"]
        rest = file.read(columns=columns)
        rest.validate(full=True)
        spans = "start" in columns or "end" in columns
        kind = file.schema_arrow.field("embedding").type
        wanted = schema(1, labels="label" in columns, spans=spans, learned="learned" in columns)
        parquet.check_columns(rest, wanted.remove(wanted.get_field_index("embedding")), _WHAT, path)
        vectors, present = _vectors(file, len(rest), path.stat().st_size, kind)
    return Embeddings(
        manifest=made,
        vectors=vectors,
        present=present,
        ids=rest["id"].to_pylist(),
        rows=rest["row"].to_numpy(),
        lengths=rest["length"].to_numpy(),
        truncated=rest["truncated"].to_numpy(),
        labels=rest["label"].to_pylist() if "label" in columns else None,
        starts=rest["start"].fill_null(-1).to_numpy() if spans else None,
        ends=rest["end"].fill_null(-1).to_numpy() if spans else None,
        learned=rest["learned"].to_numpy() if "learned" in columns else None,
    )


def _vectors(
    file: pq.ParquetFile, count: int, size: int, kind: pa.DataType
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The matrix, NaN in rows that have no vector, and which rows have one.

    Raises:
        ValueError: the column is of another type, or has not as many rows as the others.
    """
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32():
        raise ValueError(f"its vectors are of type {kind}")
    width = kind.list_size
    # Uncompressed, so that no vector is longer than the file. What the file says of the size of a
    # column is not asked: where it is damaged, Arrow ends the process.
    if 4 * width > max(size, _LEAST_WIDTH):
        raise ValueError(f"its vectors claim {width} numbers each")
    vectors, present = np.full((count, width), np.nan, np.float32), np.zeros(count, bool)
    at = 0
    for group in range(file.num_row_groups):
        (column,) = file.read_row_group(group, columns=["embedding"]).column(0).chunks
        rows = slice(at, at + len(column))
        # Null rows are gaps in the values.
        present[rows] = column.is_valid().to_numpy(zero_copy_only=False)
        vectors[rows] = column.values.to_numpy(zero_copy_only=False).reshape(-1, width)
        at = rows.stop
    if at != count:
        raise ValueError(f"it has {count} rows, and vectors for {at}")
    vectors[~present] = np.nan
    return vectors, present


def _opened(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise UsageError(f"there is no table of embeddings {path}", do="run sslkit embed first")
    try:
        return pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_ours(path, str(error)) from error


def _manifest(file: pq.ParquetFile, path: Path) -> Manifest:
    made = parquet.manifest_of(file.schema_arrow, path)
    if made is None or "embedding" not in file.schema_arrow.names:
        raise _not_ours(path, f"its columns are {', '.join(file.schema_arrow.names)}")
    return made


def _not_ours(path: Path, why: str) -> DataError:
    return DataError(
        "this is not a table of embeddings made by sslkit",
        where=str(path),
        why=why,
        do="make one with sslkit embed",
    )
