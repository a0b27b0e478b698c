"""Records that are longer than what is held in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sslkit.domains import genome
from sslkit.domains.biology import bases
from sslkit.files import fasta, fastq, letters
from sslkit.files.letters import Gathering, Letters

Command = Callable[..., Any]

SAME = ("--threads", "1", "--precision", "fp32")
TINY = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "2")


@pytest.fixture
def long_from_100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "LONG", 100)
    monkeypatch.setattr(letters, "_BLOCK", 64)


def test_letters_in_a_file(long_from_100: None) -> None:
    text = bytes(range(65, 90)) * 20
    gathering = Gathering(spool=True)
    for start in range(0, len(text), 7):
        gathering.write(text[start : start + 7])
    found = gathering.value()
    assert isinstance(found, Letters)
    assert len(found) == len(text)
    assert (found[:], found[90:110], found[495:900]) == (text, text[90:110], text[495:])
    assert b"".join(letters.blocks(found)) == text
    before = len(list(Path("/proc/self/fd").iterdir()))
    del found, gathering
    assert len(list(Path("/proc/self/fd").iterdir())) < before


def test_a_long_sequence_is_the_same_from_a_file(tmp_path: Path, long_from_100: None) -> None:
    rng = np.random.default_rng(3)
    text = "".join(rng.choice(list("ACGTN"), 997))
    path = tmp_path / "a.fa"
    path.write_text(f">long\n{text[:500]}\n{text[500:]}\n>short\nACGT\n")
    domain = genome.Domain(genome.Settings(k=3))
    long, short = domain.read(path, "stop")
    assert isinstance(long.payload, Letters)
    assert short.payload == b"ACGT"
    units, plain = domain.encode(long), bases.to_codes(text.encode())
    assert len(units) == 997
    np.testing.assert_array_equal(np.asarray(units), plain)
    np.testing.assert_array_equal(units[495:640], plain[495:640])
    # What is wrong is found at its place.
    path.write_text(f">long\n{text[:500]}\n{text[500:600]}E{text[600:]}\n")
    (bad,) = domain.read(path, "skip")
    assert "'E' at base 601" in bad.error


def test_stages_read_long_sequences_from_files(
    tmp_path: Path, tiny_genome: Path, tiny_vocab: Path, command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    del tiny_genome, tiny_vocab
    for name, size in (("held", 1 << 20), ("spooled", 100)):
        monkeypatch.setattr(letters, "LONG", size)
        command(
            "pretrain", *TINY, *SAME, "--window", "32", "-o", name, "--shards", f"{name}-shards"
        )
        more = ("--checkpoint", "held", *SAME)
        command("embed", "corpus/genes.fa", *more, "-o", f"{name}-e.parquet")
        command("score", "corpus/genes.fa", *more, "--spacing", "8", "-o", f"{name}-s.parquet")
    held, spooled = (
        [path.read_bytes() for path in sorted((tmp_path / f"{name}-shards").iterdir())]
        for name in ("held", "spooled")
    )
    assert held == spooled
    for table in ("e", "s"):
        assert pq.read_table(f"held-{table}.parquet").equals(
            pq.read_table(f"spooled-{table}.parquet")
        )


def test_a_title_without_end_is_no_name(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(b">" + b"x" * 100_000 + b"\nACGT\n>b\nACGT\n")
    first, second = fasta.read(path)
    assert (len(first.id), second.id, second.error) == (40, "b", "")
    assert "title" in first.error
    path.write_bytes(b"@" + b"x" * 100_000 + b"\nACGT\n+\nIIII\n")
    (read,) = fastq.read(path)
    assert len(read.id) == 40
    assert "title" in read.error
