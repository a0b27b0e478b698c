"""Cells of Parquet as text, whatever their type."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sslkit.errors import DataError
from sslkit.files import table
from sslkit.files.columns import Columns


def cells(tmp_path: Path, column: Any) -> list[str]:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"seq": ["A"] * len(column), "x": column}), path)
    return [row.values["x"] for row in table.read(path)]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([b"AC", None]), ["AC", ""]),
        (pa.array(["größe".encode()], pa.large_binary()), ["größe"]),
        (pa.array([b"ACGT"], pa.binary(4)), ["ACGT"]),
        (pa.array([b"AC", b"AC", None]).dictionary_encode(), ["AC", "AC", ""]),
        (pa.array(["AC"], pa.large_string()), ["AC"]),
        (pa.array(["AC"], pa.string_view()), ["AC"]),
        (pa.array([True, None]), ["True", ""]),
        (pa.array([1.5, float("nan"), None]), ["1.5", "", ""]),
        (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        (pa.array([dt.date(2020, 1, 2)]), ["2020-01-02"]),
        (pa.array([None]), [""]),
    ],
)
def test_cells_are_what_they_say(tmp_path: Path, column: Any, texts: list[str]) -> None:
    assert cells(tmp_path, column) == texts


def test_ids_that_pandas_made_floats_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"id": [7, 8, None], "sequence": ["A", "C", "G"], "y": [1.0, 0.5, 2.0]})
    frame.to_parquet(path)
    found = list(table.read(path, Columns(id="id"), "skip"))
    assert [row.id for row in found] == ["7", "8", "3"]
    assert [bool(row.error) for row in found] == [False, False, True]
    assert found[0].values["y"] == "1.0"
    pq.write_table(pa.table({"id": [decimal.Decimal("12.00")], "sequence": ["A"]}), path)
    assert [row.id for row in table.read(path)] == ["12"]


def test_bytes_that_are_no_text_name_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"sequence": [b"AC", b"\xff", b"G"]}), path)
    with pytest.raises(DataError, match="'sequence' is no UTF-8") as caught:
        list(table.read(path))
    assert caught.value.where == f"{path}, row 2"
    assert [row.text for row in table.read(path, on_error="skip")] == ["AC", "", "G"]


def test_a_column_of_lists_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ["a"], "sequence": [["A", "C"]]}), path)
    for wanted in (Columns(), Columns("sequence")):
        with pytest.raises(DataError, match="sequence holds list"):
            list(table.read(path, wanted))
