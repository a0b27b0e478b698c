"""Labelled tables: columns found, parts settled, bad rows named by file and row."""

from pathlib import Path

import pytest

from sslkit.errors import DataError, UsageError
from sslkit.files import labelled
from sslkit.files.labelled import Columns


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_columns_are_found_by_their_usual_names(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "Name,Seq,Class\nx,ACGT,1\ny,GGCC, 0 \n")
    found = labelled.read({"": [path]}, Columns(), "stop")
    assert found.ids == ("x", "y")
    assert [record.payload for record in found.records] == ["ACGT", "GGCC"]
    assert found.labels == ("1", "0")
    assert found.parts is None
    assert found.where(1) == f"{path}, row 2 (y)"


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "label,strength,sequence\nfoo,3.5,ACGT\n")
    found = labelled.read({"": [path]}, Columns(label_column="strength"), "stop")
    assert found.labels == ("3.5",)
    with pytest.raises(DataError, match="lacks the column 'power'") as error:
        labelled.read({"": [path]}, Columns(label_column="power"), "stop")
    assert "strength" in error.value.why


def test_a_table_without_a_label_column_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "id,sequence\nx,ACGT\n")
    with pytest.raises(DataError, match="label column") as error:
        labelled.read({"": [path]}, Columns(), "stop")
    assert error.value.where == str(path)


@pytest.mark.parametrize("cell", ["", "NA", "nan"])
def test_a_missing_label_names_file_and_row_or_is_skipped(tmp_path: Path, cell: str) -> None:
    path = _write(tmp_path / "a.csv", f"id,sequence,label\nx,ACGT,1\ny,ACGA,{cell}\n")
    with pytest.raises(DataError) as error:
        labelled.read({"": [path]}, Columns(), "stop")
    assert error.value.where == f"{path}, row 2 (y)"
    found = labelled.read({"": [path]}, Columns(), "skip")
    assert (len(found), found.skipped) == (1, 1)


def test_a_duplicate_id_names_both_rows(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "id,sequence,label\nx,ACGT,1\ny,A,0\nx,ACGA,0\n")
    with pytest.raises(DataError, match="'x' stands twice") as error:
        labelled.read({"": [path]}, Columns(id_column="id"), "stop")
    assert error.value.where.endswith("row 3")
    assert "row 1" in error.value.why


def test_a_split_column_settles_the_parts(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "sequence,label,split\nA,1,train\nC,0,dev\nG,1,Test\n")
    assert labelled.read({"": [path]}, Columns(), "stop").parts == ("train", "valid", "test")
    path = _write(tmp_path / "b.csv", "sequence,label,split\nA,1,train\nC,0,later\n")
    with pytest.raises(DataError, match="'later'") as error:
        labelled.read({"": [path]}, Columns(), "stop")
    assert "row 2" in error.value.where


def test_a_column_called_set_that_is_no_split_is_left_alone(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "sequence,label,set\nA,1,blue\nC,0,red\n")
    assert labelled.read({"": [path]}, Columns(), "stop").parts is None


def test_files_of_their_own_and_folders_settle_the_parts(tmp_path: Path) -> None:
    train = _write(tmp_path / "g/train.csv", "sequence,label\nA,1\nC,0\n")
    dev = _write(tmp_path / "g/dev.csv", "sequence,label\nG,1\n")
    test = _write(tmp_path / "g/test.csv", "sequence,label\nT,1\n")
    named = labelled.read({"": [train], "valid": [dev], "test": [test]}, Columns(), "stop")
    folder = labelled.read({"": [tmp_path / "g"]}, Columns(), "stop")
    assert named.parts == ("train", "train", "valid", "test")
    by_text = [
        {record.payload: part for record, part in zip(one.records, one.parts or (), strict=True)}
        for one in (named, folder)
    ]
    assert by_text[0] == by_text[1]
    assert len(set(folder.ids)) == 4


def test_a_part_given_twice_is_refused(tmp_path: Path) -> None:
    both = _write(tmp_path / "a.csv", "sequence,label,split\nA,1,train\nC,0,test\n")
    test = _write(tmp_path / "t.csv", "sequence,label\nT,1\n")
    with pytest.raises(UsageError, match="test part is given twice"):
        labelled.read({"": [both], "test": [test]}, Columns(), "stop")


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "sequence,label\n")
    with pytest.raises(DataError, match="has no row"):
        labelled.read({"": [path]}, Columns(), "stop")


def test_take_keeps_every_column_in_step(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "id,sequence,label\nx,A,1\ny,C,0\nz,G,1\n")
    found = labelled.read({"": [path]}, Columns(), "stop").take([2, 0], skipped=1)
    kept = [(record.id, record.payload, record.number) for record in found.records]
    assert kept == [("z", "G", 3), ("x", "A", 1)]
    assert found.rows.tolist() == [2, 0]
    assert found.skipped == 1
