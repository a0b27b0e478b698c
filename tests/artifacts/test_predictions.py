"""Predictions: round trips, column names, equal bytes, refusals."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import manifest, predictions
from sslkit.artifacts.predictions import Predictions
from sslkit.errors import DataError, UsageError

_TEXT = manifest.make("probe", {"seed": 1}).to_json()


def _classes() -> Predictions:
    return Predictions(
        ids=["a", "b", "c"],
        rows=np.array([0, 5, 7]),
        splits=["train", "test", "test"],
        labels=np.array([0, 1, 1]),
        predicted=np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]),
        classes=("no", "yes"),
        models=["linear", "linear", "neighbours"],
    )


def test_classes_have_a_column_of_probabilities_each(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    predictions.save(path, _classes(), _TEXT)
    table = pq.read_table(path)
    assert table.column_names == [
        "model", "id", "row", "split", "label", "prediction", "probability_no", "probability_yes",
    ]  # fmt: skip
    assert table["label"].to_pylist() == ["no", "yes", "yes"]
    assert table["prediction"].to_pylist() == ["no", "yes", "no"]
    found, made = predictions.load(path)
    assert made.stage == "probe"
    assert found.classes == ("no", "yes")
    np.testing.assert_array_equal(found.predicted, _classes().predicted)
    np.testing.assert_array_equal(found.labels, _classes().labels)


def test_regression_has_numbers(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    held = Predictions(
        ["a", "b"], np.arange(2), ["test"] * 2, np.array([1.5, 2]), np.array([1, 3.0])
    )
    predictions.save(path, held, _TEXT)
    found, _ = predictions.load(path)
    assert pq.read_table(path).column_names == ["id", "row", "split", "label", "prediction"]
    assert list(found.labels) == [1.5, 2.0]
    assert list(found.predicted) == [1.0, 3.0]
    assert found.models is None


def test_equal_predictions_give_equal_bytes(tmp_path: Path) -> None:
    predictions.save(tmp_path / "a.parquet", _classes(), _TEXT)
    predictions.save(tmp_path / "other_name.parquet", _classes(), _TEXT)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "other_name.parquet").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    with pytest.raises(UsageError):
        predictions.load(path)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(DataError, match="not a table of predictions"):
        predictions.load(path)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read"):
        predictions.load(path)
