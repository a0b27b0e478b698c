"""GenBank, written by Biopython and read back."""

import io
from pathlib import Path

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from sslkit.errors import DataError
from sslkit.files import genbank


def write(path: Path, letters: Seq | str) -> None:
    entry = SeqRecord(
        Seq(letters) if isinstance(letters, str) else letters,
        id="AB000001.2",
        name="AB000001",
        description="a made-up gene",
        annotations={"molecule_type": "DNA", "organism": "Nemo fictus"},
    )
    with path.open("w") as stream:
        SeqIO.write([entry], stream, "genbank")


def test_letters_id_and_organism(tmp_path: Path) -> None:
    path = tmp_path / "a.gb"
    write(path, "ACGTN" * 50)
    (record,) = genbank.read(path)
    assert record.payload.upper() == b"ACGTN" * 50
    assert (record.id, record.metadata["organism"]) == ("AB000001.2", "Nemo fictus")
    assert record.metadata["title"] == "a made-up gene"


def test_a_record_without_sequence_carries_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.gb"
    write(path, Seq(None, 100))
    (record,) = genbank.read(path)
    assert record.payload == b""
    assert "no sequence" in record.error


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gb"
    write(path, "ACGTN" * 50)
    whole = path.read_text()
    path.write_text(whole[: whole.index("ORIGIN") + 60])
    (record,) = genbank.read(path)
    assert (record.id, record.payload) == ("AB000001.2", b"")
    assert "ends in the middle" in record.error
    path.write_text("nothing\n")
    with pytest.raises(DataError, match="empty"):
        list(genbank.read(path))


def test_yeast_chromosome(shared_data: Path) -> None:
    (record,) = genbank.read(shared_data / "genomes/yeast/chr01.gb")
    assert len(record.payload) == 230_218
    assert record.metadata["organism"].startswith("Saccharomyces")


def test_what_biopython_says_of_public_records(shared_data: Path) -> None:
    for path in sorted(shared_data.glob("genomes/phages/*/*.gbk"))[:4]:
        expected = [
            (one.id, bytes(one.seq), one.description, one.annotations["organism"])
            for one in SeqIO.parse(path, "genbank")
        ]
        found = [
            (one.id, one.payload, one.metadata["title"], one.metadata["organism"])
            for one in genbank.read(path)
        ]
        assert found == expected


def test_ids_and_titles() -> None:
    """The accession with its version, or what there is of it; titles of several lines."""
    text = (
        "LOCUS       ONE    4 bp    DNA\nDEFINITION  a gene\n            of Nemo.\n"
        "ACCESSION   A1 A2\n"
        "VERSION     A1.2  GI:7\nKEYWORDS    .\n            no title\nORIGIN\n 1 ac gt\n//\n"
        "LOCUS       TWO\nACCESSION   B1 B2\nORIGIN\n 1 tt\n//\n"
        "LOCUS       THREE\nORIGIN\n 1 g\n//\n"
    )
    found = list(genbank.parse(io.BufferedReader(io.BytesIO(text.encode())), Path("x")))
    assert [(one.id, one.payload, one.error) for one in found] == [
        ("A1.2", b"ACGT", ""), ("B1", b"TT", ""), ("THREE", b"G", ""),
    ]  # fmt: skip
    assert [one.metadata["title"] for one in found] == ["a gene of Nemo", "", ""]
