"""The table of scores: Parquet, one row per record, or one row per token.

Columns of both: ``id`` string; ``row`` int64, position of the record in the input, from 0;
``label`` string, where one was kept.

Per record: ``length`` int64, tokens of the record; ``tokens`` int64, those that were judged; and,
null where there are none, of likelihoods ``log_likelihood`` float64, the sum of log p in nats, and
``perplexity`` float64, exp of the mean of -log p; of energies ``energy`` float64, lower for the
more plausible; beside a wild type ``delta`` float64, above 0 where the record is the more plausible
of the two.

Per token: ``position`` int64, number of the token from 0; ``start`` and ``end`` int64, its place in
units (bases, residues), end left out; ``token`` string; ``log_p`` float32; ``log_odds`` float32,
log p less that of ``best`` string, the likeliest other token; where asked for, ``effect_<token>``
float32 for every token of the vocabulary: its log p less that of the token that stands there.

The schema's metadata holds the manifest under ``sslkit``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import parquet
from sslkit.artifacts.embeddings import recut
from sslkit.artifacts.manifest import METADATA_KEY, Manifest
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic

#: What the stage writes where no name is given.
NAME = "scores.parquet"
#: What the name of a column of effects begins with.
EFFECT = "effect_"
_STAGE = "score"
GROUP_ROWS = 2**17


def _begin(labels: bool) -> list[pa.Field]:
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
    return [*fields, pa.field("label", pa.string())] if labels else fields


def per_record(columns: Sequence[str], *, labels: bool) -> pa.Schema:
    """The columns of a table of records, without a manifest.

    Args:
        columns: those that hold scores: log_likelihood, perplexity, energy, delta.
    """
    counts = [pa.field(name, pa.int64(), nullable=False) for name in ("length", "tokens")]
    return pa.schema([*_begin(labels), *counts, *(pa.field(n, pa.float64()) for n in columns)])


def per_token(effects: Sequence[str], *, labels: bool) -> pa.Schema:
    """The columns of a table of tokens, without a manifest.

    Args:
        effects: tokens that have a column of their own.
    """
    fields = [pa.field(name, pa.int64()) for name in ("position", "start", "end")]
    fields += [pa.field("token", pa.string())]
    fields += [pa.field("log_p", pa.float32()), pa.field("log_odds", pa.float32())]
    fields += [pa.field("best", pa.string())]
    fields += [pa.field(EFFECT + token, pa.float32()) for token in effects]
    return pa.schema([*_begin(labels), *fields])


def table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """Columns as a table; NaN becomes null."""
    held = [pa.array(columns[f.name], f.type, from_pandas=True) for f in schema]
    return pa.Table.from_arrays(held, schema=schema)


def write(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, made: Manifest) -> None:
    """Write a table atomically.

    Equal rows and manifests give equal bytes, however the rows are divided among ``tables``.
    """
    schema = schema.with_metadata({METADATA_KEY: made.to_json().encode()})
    with (
        atomic.replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for group in recut(tables, GROUP_ROWS):
            writer.write_table(group.cast(schema), row_group_size=GROUP_ROWS)


def read_manifest(path: Path) -> Manifest:
    """What a table says of its making, read without its rows.

    Raises:
        UsageError: there is no such file.
        DataError: not a table of scores.
    """
    if not path.is_file():
        raise UsageError(f"there is no table of scores {path}", do="run sslkit score first")
    _, made = parquet.read_manifest(path, "a table of scores")
    if made.stage != _STAGE:
        raise _not_ours(path, f"it was made by sslkit {made.stage}")
    return made


def read(path: Path) -> tuple[pa.Table, Manifest]:
    """Read a table.

    Raises:
        UsageError: there is no such file.
        DataError: not a table of scores, or a damaged one.
    """
    made = read_manifest(path)
    return parquet.read(path, "a table of scores"), made


def _not_ours(path: Path, why: str) -> DataError:
    return DataError(
        "this is not a table of scores made by sslkit",
        where=str(path),
        why=why,
        do="make one with sslkit score",
    )
