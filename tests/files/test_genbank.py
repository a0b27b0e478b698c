"""GenBank, written by Biopython and read back."""

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
    with pytest.raises(DataError, match="GenBank") as caught:
        list(genbank.read(path))
    assert caught.value.where == f"{path}, record 1"


def test_yeast_chromosome(shared_data: Path) -> None:
    (record,) = genbank.read(shared_data / "genomes/yeast/chr01.gb")
    assert len(record.payload) == 230_218
    assert record.metadata["organism"].startswith("Saccharomyces")
