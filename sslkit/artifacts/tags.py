"""The table of labels of units: Parquet, one row per record and model.

Columns: ``model`` string, where several are compared; ``id`` string; ``row`` int64, position of
the record in its file, from 0; ``split``, ``label`` and ``prediction`` string: a letter for each
unit of the record, or a name with the task's separator between them. Where nothing is known
``label`` has the task's sign for that, and ``prediction`` all the same what the model says. The
schema's metadata holds the manifest under ``sslkit``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import manifest
from sslkit.files import atomic

#: The file inside a run's folder.
NAME = "predictions.parquet"


@dataclass(frozen=True)
class TagTable:
    """Columns of the table; see the module.

    Attributes:
        models: of each row, or None where there is one model.
    """

    ids: Sequence[str]
    rows: Sequence[int]
    splits: Sequence[str]
    labels: Sequence[str]
    predictions: Sequence[str]
    models: Sequence[str] | None = None


def save(path: Path, held: TagTable, manifest_json: str) -> None:
    """Write a table atomically; equal labels and manifests give equal bytes."""
    columns: dict[str, pa.Array] = {}
    if held.models is not None:
        columns["model"] = pa.array(held.models, pa.string())
    columns |= {
        "id": pa.array(held.ids, pa.string()),
        "row": pa.array(held.rows, pa.int64()),
        "split": pa.array(held.splits, pa.string()),
        "label": pa.array(held.labels, pa.large_string()),
        "prediction": pa.array(held.predictions, pa.large_string()),
    }
    table = pa.table(columns).replace_schema_metadata(
        {manifest.METADATA_KEY: manifest_json.encode()}
    )
    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
