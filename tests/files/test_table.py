"""Tables of sequences against what was written into them."""

import csv
import gzip
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import source, table
from sslkit.files.columns import Columns


def file(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=["Cs"]), max_size=9
)


@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=8),
    st.sampled_from([",", "\t", ";"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_csv_writes_is_read(rows: list[tuple[str, str]], mark: str, ends: str) -> None:
    if mark == "\t":
        # Between tabs a line is a row.
        rows = [tuple(cell.replace("\n", " ") for cell in row) for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=mark, lineterminator=ends)
    writer.writerow(["id", "sequence", "note"])
    writer.writerows([f"r{number}", *row] for number, row in enumerate(rows))
    stream = io.BufferedReader(io.BytesIO(text.getvalue().encode()))
    found = list(table.parse(stream, Path("t.csv")))
    assert [(r.id, r.text, r.values["note"], r.number) for r in found] == [
        (f"r{number}", *row, number + 1) for number, row in enumerate(rows)
    ]


def test_usual_names_in_any_case_and_order(tmp_path: Path) -> None:
    path = file(tmp_path, "t.tsv", b"\xef\xbb\xbfSeq\tlabel\tName\r\n\r\nACGT\t1\tp1\r\n")
    (row,) = table.read(path)
    assert (row.id, row.text, row.values) == (
        "p1", "ACGT", {"Seq": "ACGT", "label": "1", "Name": "p1"}
    )  # fmt: skip


def test_named_columns_and_rows_without_ids(tmp_path: Path) -> None:
    path = file(tmp_path, "t.csv", b"sequence,upstream,key\nAA,CC,x\n")
    assert [(r.id, r.text) for r in table.read(path)] == [("1", "AA")]
    assert [(r.id, r.text) for r in table.read(path, Columns("upstream", id="key"))] == [
        ("x", "CC")
    ]


def test_parquet_cells_are_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    held = {
        "id": pa.array([10, 11, 12]),
        "dna": pa.array(["AC", None, "GT"]).dictionary_encode(),
        "y": pa.array([0.5, None, 2.0]),
        "embedding": pa.array([[1.0], [2.0], [3.0]]),
    }
    pq.write_table(pa.table(held), path, row_group_size=2)
    found = list(table.read(path))
    assert [(r.id, r.text, dict(r.values)) for r in found] == [
        ("10", "AC", {"id": "10", "dna": "AC", "y": "0.5"}),
        ("11", "", {"id": "11", "dna": "", "y": ""}),
        ("12", "GT", {"id": "12", "dna": "GT", "y": "2.0"}),
    ]
    assert table.header(path) == ["id", "dna", "y"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_compressed(tmp_path: Path, kind: str, pack: object) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "seq": ["AC", "GT"]})
    plain = tmp_path / f"plain.{kind}"
    if kind == "csv":
        frame.to_csv(plain, index=False)
    else:
        frame.to_parquet(plain)
    assert callable(pack)
    path = file(tmp_path, f"t.{kind}.gz", pack(plain.read_bytes()))
    assert [(r.id, r.text) for r in table.read(path)] == [("a", "AC"), ("b", "GT")]


@pytest.mark.parametrize("row", [b"b", b"b,AC,1,2", b" ,AC,1"])
def test_a_bad_row_stops_or_is_passed_over(tmp_path: Path, row: bytes) -> None:
    named = Columns(id="id")
    path = file(tmp_path, "t.csv", b"id,sequence,label\na,AC,0\n" + row + b"\nc,GG,1\n")
    with pytest.raises(DataError) as caught:
        list(table.read(path, named))
    assert caught.value.where == f"{path}, row 2"
    first, bad, last = table.read(path, named, on_error="skip")
    assert (first.id, bad.number, last.id, last.number) == ("a", 2, "c", 3)
    assert bad.error
    assert bad.text == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"a,b\n1,2\n", "its columns are a, b"),
        (b"id,seq,id\n", "twice"),
        (b'id,seq\nx,"AC\n', "unexpected end"),
        (b"id,seq\nx,\xe4\n", "UTF-8"),
        (b"PAR1 and no more", "cannot be read"),
    ],
)
def test_files_that_are_no_such_table(tmp_path: Path, data: bytes, said: str) -> None:
    path = file(tmp_path, "t.csv", data)
    with pytest.raises(DataError) as caught:
        list(table.read(path))
    assert said in str(caught.value)
    assert str(path) in caught.value.where


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = file(tmp_path, "t.csv", b"id,seq\nx,AC\n")
    for asked in (("dna", None), ("seq", "key")):
        with pytest.raises(DataError, match="lacks the column"):
            list(table.read(path, Columns(asked[0], id=asked[1])))


def test_rows_come_one_by_one(tmp_path: Path) -> None:
    path = file(tmp_path, "t.csv", b"id,seq\n" + b"x,AC\n" * 200_000 + b"broken\n")
    rows = table.read(path)
    assert next(rows).id == "x"
    assert next(rows).number == 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_compressed_file_cut_off_is_not_taken_for_its_end(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    text = "id,seq\n" + "".join(f"r{n},{'ACGT' * (n % 7)}\n" for n in range(50_000))
    whole = pack(text.encode())
    with source.open_bytes(file(tmp_path, "whole", whole + pack(b"two"))) as stream:
        assert stream.read().endswith(b"two")
    with pytest.raises(DataError, match="damaged or cut off"):
        list(table.read(file(tmp_path, "t.csv.x", whole[: len(whole) // 2])))
