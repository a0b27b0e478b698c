"""Records that are longer than what is held in memory."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sslkit.domains import genome
from sslkit.domains.biology import bases
from sslkit.errors import DataError
from sslkit.files import fasta, fastq, letters, longest, sequences
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


LONG = b"MKVLEEFPQW" * 30
TOO_LONG = {
    "a.faa": b">a\nMKVL\n>b\n" + LONG + b"\n>c\nMKVL\n",
    "a.fq": b"@a\nACGT\n+\nIIII\n@b\n" + LONG + b"\n+\n" + LONG + b"\n@c\nACGT\n+\nIIII\n",
    "b.fq": b"@a\nACGT\n+\nIIII\n@b\n" + LONG[:150] + b"\n" + LONG[150:] + b"\n+\n" + LONG[:99]
            + b"\n" + LONG[99:] + b"\n@c\nACGT\n+\nIIII\n",
    "a.afa": b">a\nMKVL\n>b\n" + LONG + b"\n>c\nMKVL\n",
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_LONG)
def test_a_record_that_is_too_long_is_one_bad_record(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(TOO_LONG[name])
    with longest.allowing(200):
        records = list(sequences.read(path, "skip"))
        assert [(r.id, len(r.payload), bool(r.error)) for r in records] == [
            ("a", 4, False), ("b", 0, True), ("c", 4, False),
        ]  # fmt: skip
        assert "--max-record" in records[1].error
        with pytest.raises(DataError) as refused:
            list(sequences.read(path, "stop"))
        assert refused.value.where == f"{path}, record 2 (b)"
    assert not any(record.error for record in sequences.read(path, "skip") if name != "a.afa")


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


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.sto", b"# STOCKHOLM 1.0\na " + LONG + b"\n//\n"),
        ("a.sto", b"# STOCKHOLM 1.0\n" + b"a MKVLEEFP\n" * 40 + b"//\n"),
        ("a.fq", b"@a\r" + LONG + b"\r+\r" + LONG + b"\r"),
    ],
)
def test_what_cannot_be_passed_over_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with longest.allowing(200), pytest.raises(DataError) as refused:
        list(sequences.read(path, "skip"))
    assert refused.value.where.startswith(str(path))
    assert "--max-record" in refused.value.do


def test_commands_take_a_limit(
    tmp_path: Path, command: Command, pretrained: Callable[..., None]
) -> None:
    pretrained(tmp_path)
    (tmp_path / "a.fq").write_bytes(TOO_LONG["a.fq"].replace(LONG, b"ACGTACGTAC" * 30))
    more = ("a.fq", *SAME, "--json", "--on-error", "skip")
    assert command("embed", *more).json["bad"] == 0
    # Another limit makes another table.
    command("embed", *more, "--max-record", "200", check=2)
    assert command("embed", *more, "--max-record", "200", "--force").json["bad"] == 1
    stopped = command("embed", "a.fq", *SAME, "--max-record", "200", "-o", "b.parquet", check=3)
    assert "record 2 (b)" in stopped.err
    command("embed", "a.fq", "--max-record", "much", check=2)


#: Reads files of one endless record each and says by how much memory grew.
_READ = """
import resource, sys
from pathlib import Path
import numpy as np
from sslkit.domains import code, genome, molecule, protein, text
from sslkit.errors import SslkitError
from sslkit.files import longest, sequences, structure
from sslkit.vocab.vocabulary import Vocabulary
words = Vocabulary(["one", "two"], np.ones(2, np.int64))
domains = {"genome": genome.Domain(genome.Settings(k=3)), "protein": protein.Domain(
    protein.Settings()), "molecule": molecule.Domain(molecule.Settings()), "code": code.Domain(
    code.Settings(), words), "text": text.Domain(text.Settings(documents="pair"), words)}
def read(name, path):
    try:
        if name == "structure":
            structure.read(path)
        else:
            for record in domains[name].read(path, "skip"):
                del record
    except SslkitError as error:
        assert str(path) in str(error), error
files = [word.split("=") for word in sys.argv[1:]]
with longest.allowing(1 << 20):
    for name, path in files:
        read(name, Path(path).with_suffix(".small"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, path in files:
        read(name, Path(path))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
_MOL = b"a\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"
ENDLESS = {
    "a.fa": ("genome", b">a\n", b"ACGT", b"\n"),
    "b.fa": ("genome", b">", b"ACGT", b"\nACGT\n"),
    "a.fq": ("genome", b"@a\n", b"ACGT", b"\n+\nI\n"),
    "b.fq": ("genome", b"@", b"ACGT", b"\nA\n+\nI\n"),
    "a.gb": ("genome", b"LOCUS       A 10 bp DNA\nORIGIN\n        1 ", b"acgt", b"\n//\n"),
    "b.gb": ("genome", b"LOCUS       A 4 bp DNA\nDEFINITION ", b"acgt", b"\nORIGIN\n 1 acgt\n//\n"),
    "a.csv": ("genome", b"id,sequence\na,", b"ACGT", b"\n"),
    "b.csv": ("genome", b'id,sequence\na,"', b"ACG\n", b'"\n'),
    "a.tsv": ("genome", b"id\tsequence\na\t", b"ACGT", b"\n"),
    "a.faa": ("protein", b">a\n", b"MKVL", b"\n"),
    "a.a3m": ("protein", b">a\n", b"MKVL", b"\n"),
    "a.sto": ("protein", b"# STOCKHOLM 1.0\na ", b"MKVL", b"\n//\n"),
    "a.smi": ("molecule", b"", b"C", b" a\n"),
    "a.sdf": ("molecule", _MOL, b"C", b"\nM  END\n$$$$\n"),
    "b.sdf": ("molecule", _MOL, b"C" * 255 + b"\n", b"\nM  END\n$$$$\n"),
    "a.py": ("code", b"a = 1 # ", b"abcd", b"\n"),
    "a.js": ("code", b"a = 1 // ", b"abcd", b"\n"),
    "a.tab": ("text", b"one two\t", b"abcd", b"\n"),
    "a.pdb": ("structure", b"HEADER ", b"abcd", b"\n"),
}


@pytest.mark.slow
def test_memory_does_not_follow_a_record_without_end(tmp_path: Path) -> None:
    size = 64
    words = []
    for name, (domain, head, body, tail) in ENDLESS.items():
        path = tmp_path / f"{name}.gz"
        with gzip.open(path, "wb", 1) as stream:
            stream.write(head)
            for _ in range(size):
                stream.write(body * ((1 << 20) // len(body)))
            stream.write(tail)
        with gzip.open(path.with_suffix(".small"), "wb") as stream:
            stream.write(head + body * 4 + tail)
        words.append(f"{domain}={path}")
    ended = subprocess.run(
        [sys.executable, "-c", _READ, *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 48
