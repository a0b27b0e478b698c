"""Which reader a file gets, by what it holds."""

import gzip
from pathlib import Path

import pytest

from sslkit.errors import DataError, UsageError
from sslkit.files import sequences

FORMS = {
    "a.fa": b">x\nACGT\n",
    "a.fq": b"@x\nACGT\n+\nIIII\n",
    "a.csv": b"id,sequence\nx,AC GT\n",
    "a.sto": b"# STOCKHOLM 1.0\nx A-C.GT\n//\n",
    "a.tsv": b"id\tsequence\nx\tACGT\n",
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("given", ["", ".txt", ".gz"])
def test_content_decides(tmp_path: Path, name: str, given: str) -> None:
    path = tmp_path / f"{name}{given}"
    path.write_bytes(gzip.compress(FORMS[name]) if given == ".gz" else FORMS[name])
    (record,) = sequences.read(path)
    assert (record.id, record.payload) == ("x", b"ACGT")
    assert record.where == f"{path}, record 1 (x)"


def test_bed_wants_its_reference(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("chr1\t1\t3\n")
    (tmp_path / "ref.fa").write_text(">chr1\nACGT\n")
    with pytest.raises(UsageError, match="intervals") as caught:
        list(sequences.read(tmp_path / "a.bed"))
    assert "--reference" in caught.value.do
    (record,) = sequences.read(tmp_path / "a.bed", reference=tmp_path / "ref.fa")
    assert record.payload == b"CG"


def test_a_bad_record_stops_or_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.fq"
    path.write_bytes(b"@x\nAC\n+\nII\n@y\nACG\n")
    with pytest.raises(DataError) as caught:
        list(sequences.read(path))
    assert caught.value.where == f"{path}, record 2 (y)"
    good, bad = sequences.read(path, "skip")
    assert (good.payload, bad.payload) == (b"AC", b"")


@pytest.mark.parametrize("data", [b"", b" \n\n", gzip.compress(b"", mtime=0)])
def test_empty(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(data)
    with pytest.raises(DataError, match="empty"):
        list(sequences.read(path))


@pytest.mark.parametrize("name", ["a.fa", "a.sto"])
def test_rows_of_an_alignment(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes({"a.fa": b">x\nA-C.GT\n", "a.sto": FORMS["a.sto"]}[name])
    (record,) = sequences.rows(path)
    assert (record.id, record.payload, record.number) == ("x", b"A-C.GT", 1)


@pytest.mark.parametrize(("name", "kind"), [("a.fq", "FASTQ"), ("a.csv", "a table")])
def test_what_is_no_alignment(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    with pytest.raises(DataError, match="a file is no alignment") as caught:
        list(sequences.rows(path))
    assert caught.value.where == str(path)
    assert kind in caught.value.why


def test_a_row_of_another_width_stops_or_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text(">x\nA-C\n>y\nACGT\n")
    with pytest.raises(DataError, match="cannot be used") as caught:
        list(sequences.rows(path))
    assert caught.value.where == f"{path}, record 2 (y)"
    good, bad = sequences.rows(path, "skip")
    assert (good.payload, bad.payload) == (b"A-C", b"")
    assert "it has 4 columns" in bad.error


def test_unknown_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text("MKVLAAGIT\n")
    with pytest.raises(DataError, match="no kind that is known") as caught:
        list(sequences.read(path))
    assert "MKVLAAGIT" in caught.value.why
