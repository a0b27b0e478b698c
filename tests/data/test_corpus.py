"""From files to shards: made once by content, made anew where anything that matters changed."""

import gzip
import os
from pathlib import Path

import pytest

from sslkit.artifacts import manifest
from sslkit.data import corpus
from sslkit.data.shards import Shard
from sslkit.data.tables import Reader
from sslkit.domains import genome, protein
from sslkit.errors import DataError, OnError


def opened(
    folder: Path, *paths: Path, on_error: OnError = "stop", k: int = 3, version: str = "genome 1"
) -> list[Shard]:
    domain = genome.Domain(genome.Settings(k=k))
    return corpus.open_shards(
        manifest.describe(paths), domain, version, folder / "c", on_error, pytest.fail
    )


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "a.fa"
    path.write_text(">one\nACGTNacgu\n>two\nTTT\n")
    return path


def names(folder: Path) -> set[str]:
    return {file.name for file in (folder / "c").iterdir()}


def test_a_file_becomes_codes(tmp_path: Path, fasta: Path) -> None:
    (shard,) = opened(tmp_path, fasta)
    assert shard.units.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 3, 3, 3]
    assert shard.offsets.tolist() == [0, 9, 12]


def test_made_once_and_shared_by_equal_files(tmp_path: Path, fasta: Path) -> None:
    opened(tmp_path, fasta)
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "c").iterdir()}
    os.utime(fasta)
    copy = tmp_path / "copy.fasta"
    copy.write_bytes(fasta.read_bytes())
    # Neither the file's name nor its date nor the size of a token shapes the units.
    found = opened(tmp_path, fasta, copy, k=5)
    assert len(found) == 2
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "c").iterdir()} == before


def test_what_a_killed_process_was_writing_goes(tmp_path: Path, fasta: Path) -> None:
    (tmp_path / "c").mkdir()
    for name in (".00ff.units.abcdefgh.part", ".00ff.index.abcdefgh.part", "notes.part"):
        (tmp_path / "c" / name).touch()
    opened(tmp_path, fasta)
    assert {Path(name).suffix for name in names(tmp_path)} == {".units", ".index", ".part"}
    assert len(names(tmp_path)) == 3


def test_anything_that_matters_gives_another_shard(tmp_path: Path, fasta: Path) -> None:
    opened(tmp_path, fasta)
    seen = names(tmp_path)
    assert len(seen) == 2
    opened(tmp_path, fasta, version="genome 2")
    opened(tmp_path, fasta, on_error="skip")
    fasta.write_text(fasta.read_text() + "A")
    (shard,) = opened(tmp_path, fasta)
    assert shard.units.tolist()[-4:] == [3, 3, 3, 0]
    assert len(names(tmp_path)) == 8


def test_a_bad_record_stops_or_is_counted(tmp_path: Path, fasta: Path) -> None:
    fasta.write_text(">one\nACGT\n>two\nMKVLE\n>three\n\n>four\nGG\n")
    with pytest.raises(DataError) as told:
        opened(tmp_path, fasta)
    assert "record 2 (two)" in told.value.where
    assert names(tmp_path) == set()
    (shard,) = opened(tmp_path, fasta, on_error="skip")
    assert shard.skipped == 2
    assert shard.offsets.tolist() == [0, 4, 6]


def test_nothing_at_all(tmp_path: Path, fasta: Path) -> None:
    fasta.write_text(">one\nMKVLE\n")
    with pytest.raises(DataError, match="holds nothing to train on") as told:
        opened(tmp_path, fasta, on_error="skip")
    assert "1 records were skipped" in told.value.why
    assert str(fasta) in told.value.where


def test_a_cut_off_file_leaves_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "a.fa.gz"
    path.write_bytes(gzip.compress(b">one\n" + b"ACGTTGCA" * 5000)[:-20])
    with pytest.raises(DataError) as told:
        opened(tmp_path, path)
    assert str(path) in told.value.where
    assert not any(name.endswith(".index") for name in names(tmp_path))


def test_a_name_that_shapes_the_units_has_a_shard_of_its_own(tmp_path: Path) -> None:
    domain = protein.Domain(protein.Settings(aligned=True))
    paths = [tmp_path / name for name in ("one.afa", "two.afa", "one.fa")]
    for path in paths:
        path.write_text(">x\nMK-V\n")
    inputs = manifest.describe(paths)
    first, second, third = (
        shard.units.tolist()
        for shard in corpus.open_shards(
            inputs, domain, "protein 1", tmp_path / "c", "stop", pytest.fail
        )
    )
    assert first == third != second
    assert len(names(tmp_path)) == 4


def test_signatures_stand_beside_units_record_by_record(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text(">one\nAACC\n>two\nGGTT\n>bad\n!\n>three\nAAAA\n>four\naacc\n")
    domain = genome.Domain(genome.Settings(k=3))
    reader, where = Reader(domain, ()), tmp_path / "c"
    inputs = manifest.describe([path])
    made = [
        corpus.open_signatures(inputs, "genome 1", where, "skip", pytest.fail, reader)[0]
        for _ in range(2)
    ]
    (shard,) = opened(tmp_path, path, on_error="skip")
    one, two, three, four = made[0].units.tolist()
    # A strand and its reverse complement say the same.
    assert one == two == four != three
    assert made[1].units.tolist() == made[0].units.tolist()
    assert len(made[0].units) == len(shard.offsets) - 1
    assert made[0].skipped == shard.skipped == 1
