"""The table of predictions: Parquet, one row per record and model.

Columns: ``model`` string, where several are compared; ``id`` string; ``row`` int64, position of
the record in its file, from 0; ``split`` string; ``label`` and ``prediction``, strings for
classes and float64 for regression; ``probability_<class>`` float64 for every class. The schema's
metadata holds the manifest under ``sslkit``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sslkit.artifacts import manifest, parquet
from sslkit.artifacts.manifest import Manifest
from sslkit.errors import UsageError
from sslkit.files import atomic
from sslkit.types import Array

#: The file inside a run's folder.
NAME = "predictions.parquet"
_PROBABILITY = "probability_"


@dataclass(frozen=True)
class Predictions:
    """Predictions of one model or of several, one below the other.

    Attributes:
        ids, splits: of each row.
        rows: position of the record in its file, from 0, [rows] int64.
        labels: class numbers int64, or targets float64, [rows].
        predicted: probabilities [rows, classes], or targets [rows], float64.
        classes: names of the classes by number; empty for regression.
        models: name of the model of each row, or None where there is one model.
    """

    ids: Sequence[str]
    rows: npt.NDArray[np.int64]
    splits: Sequence[str]
    labels: Array
    predicted: npt.NDArray[np.float64]
    classes: Sequence[str] = ()
    models: Sequence[str] | None = None


def save(path: Path, held: Predictions, manifest_json: str) -> None:
    """Write a table atomically; equal predictions and manifests give equal bytes."""
    columns: dict[str, pa.Array] = {}
    if held.models is not None:
        columns["model"] = pa.array(held.models, pa.string())
    columns["id"] = pa.array(held.ids, pa.string())
    columns["row"] = pa.array(held.rows, pa.int64())
    columns["split"] = pa.array(held.splits, pa.string())
    if held.classes:
        names = np.array(held.classes, object)
        columns["label"] = pa.array(names[held.labels], pa.string())
    else:
        columns["label"] = pa.array(held.labels, pa.float64())
    columns |= predicted(held.predicted, held.classes)
    table = pa.table(columns).replace_schema_metadata(
        {manifest.METADATA_KEY: manifest_json.encode()}
    )
    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def predicted(values: npt.NDArray[np.float64], classes: Sequence[str] = ()) -> dict[str, pa.Array]:
    """The columns of what is predicted, by name.

    Args:
        values: probabilities [rows, classes], or numbers [rows].
    """
    if not classes:
        return {"prediction": pa.array(values, pa.float64())}
    names = np.array(classes, object)
    columns = {"prediction": pa.array(names[values.argmax(axis=1)], pa.string())}
    for number, name in enumerate(classes):
        columns[_PROBABILITY + name] = pa.array(values[:, number], pa.float64())
    return columns


def load(path: Path) -> tuple[Predictions, Manifest]:
    """Read a table back.

    Raises:
        UsageError: there is none.
        DataError: damaged, or not a table of predictions.
    """
    if not path.is_file():
        raise UsageError(f"there is no table of predictions {path}")
    what = "a table of predictions"
    _, made = parquet.read_manifest(path, what)
    table = parquet.read(path, what)
    with parquet.refusing(what, path):
        return _predictions(table), made


def _predictions(table: pa.Table) -> Predictions:
    likely = [name for name in table.column_names if name.startswith(_PROBABILITY)]
    classes = tuple(name.removeprefix(_PROBABILITY) for name in likely)
    labels: Array = table["label"].to_numpy()
    predicted: npt.NDArray[np.float64] = table["prediction"].to_numpy()
    if classes:
        number = {name: position for position, name in enumerate(classes)}
        labels = np.array([number[name] for name in labels], np.int64)
        predicted = np.stack([table[name].to_numpy() for name in likely], axis=1)
    return Predictions(
        ids=table["id"].to_pylist(),
        rows=table["row"].to_numpy(),
        splits=table["split"].to_pylist(),
        labels=labels,
        predicted=predicted,
        classes=classes,
        models=table["model"].to_pylist() if "model" in table.column_names else None,
    )
