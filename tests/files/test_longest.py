"""Records that are longer than a record may be: one bad record each, whatever the reader."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sslkit.domains import molecule, text
from sslkit.errors import DataError
from sslkit.files import alignment, longest, sequences
from sslkit.vocab.vocabulary import Vocabulary

Command = Callable[..., Any]

SAME = ("--threads", "1", "--precision", "fp32")

LONG = b"MKVLEEFPQW" * 30
_STO = b"# STOCKHOLM 1.0\n%s %s\n//\n"
_GB = b"LOCUS       %s\nORIGIN\n        1 %s\n//\n"
_COLUMNS = b"id,sequence\n"
#: Three records of which the second is too long; all that is read of the others is their letters.
TOO_LONG = {
    "a.faa": b">a\nMKVL\n>b\n" + LONG + b"\n>c\nMKVL\n",
    "a.fq": b"@a\nMKVL\n+\nIIII\n@b\n" + LONG + b"\n+\n" + LONG + b"\n@c\nMKVL\n+\nIIII\n",
    "b.fq": b"@a\nMKVL\n+\nIIII\n@b\n" + LONG[:150] + b"\n" + LONG[150:] + b"\n+\n" + LONG[:99]
            + b"\n" + LONG[99:] + b"\n@c\nMKVL\n+\nIIII\n",
    "c.fq": b"@a\rMKVL\r+\rIIII\r@b\r" + LONG + b"\r+\r" + LONG + b"\r@c\rMKVL\r+\rIIII\r",
    "a.afa": b">a\nMKVL\n>b\n" + LONG + b"\n>c\nMKVL\n",
    "a.sto": _STO % (b"a", b"MKVL") + _STO % (b"b", LONG) + _STO % (b"c", b"MKVL"),
    "b.sto": b"# STOCKHOLM 1.0\na MKVL\nb " + LONG + b"\nc MKVL\n//\n",
    # Interleaved, and of rows that are too long together only.
    "c.sto": _STO % (b"a", b"MKVL") + b"# STOCKHOLM 1.0\n" + b"b MKVLEEFP\n" * 40 + b"//\n"
             + _STO % (b"c", b"MKVL"),
    "a.gb": _GB % (b"a", b"mkvl") + _GB % (b"b", LONG.lower()) + _GB % (b"c", b"mkvl"),
    "a.csv": _COLUMNS + b"a,MKVL\nb," + LONG + b"\nc,MKVL\n",
    "b.csv": _COLUMNS + b'a,MKVL\nb,"' + LONG + b'"\nc,"MKVL"\n',
    # Quotes and what stands between them, over lines, in what is passed over.
    "c.csv": _COLUMNS + b'a,MKVL\n"b ""x"",\ny","' + LONG + b'\n>,"",\n"\n"c",MKVL\n',
    "d.csv": _COLUMNS + b'"a","MKVL"\nb,"' + b"MKVL\n" * 60 + b'"\nc,MKVL\n',
    "a.tsv": b"id\tsequence\na\tMKVL\nb\t" + LONG + b'"\nc\tMKVL\n',
    "b.tsv": b"id\tsequence\na\tMKVL\nb" + LONG + b"\tMKVL\nc\tMKVL",
    # Names of rows, as R writes them.
    "c.tsv": b"sequence\tlabel\na\tMKVL\t1\nb\t" + LONG + b"\t1\nc\tMKVL\t0\n",
}  # fmt: skip
#: Of a row that is too long no cell is known, and its number stands for its id.
NUMBERED = (".csv", ".tsv")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("name", TOO_LONG)
def test_a_record_that_is_too_long_is_one_bad_record(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / (name if pack is bytes else f"{name}.gz")
    path.write_bytes(pack(TOO_LONG[name]))
    bad = "2" if name.endswith(NUMBERED) else "b"
    with longest.allowing(200):
        records = list(sequences.read(path, "skip"))
        assert [(r.id, bytes(r.payload), r.number) for r in records] == [
            ("a", b"MKVL", 1), (bad, b"", 2), ("c", b"MKVL", 3),
        ]  # fmt: skip
        assert [bool(record.error) for record in records] == [False, True, False]
        assert "--max-record" in records[1].error
        with pytest.raises(DataError) as refused:
            list(sequences.read(path, "stop"))
        row = "row 2" if name.endswith(NUMBERED) else "record 2 (b)"
        assert refused.value.where == f"{path}, {row}"
    if name not in {"a.afa", "b.sto"}:
        assert not any(record.error for record in sequences.read(path, "skip"))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.string_view(),
                                  pa.dictionary(pa.int8(), pa.string())], ids=str)  # fmt: skip
def test_a_cell_that_is_too_long_is_a_bad_record(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "a.parquet"
    cells = pa.array(["MKVL", LONG.decode(), "MKVL"]).cast(kind)
    pq.write_table(pa.table({"id": ["a", "b", "c"], "sequence": cells}), path)
    with longest.allowing(200):
        found = list(sequences.read(path, "skip"))
        with pytest.raises(DataError) as refused:
            list(sequences.read(path, "stop"))
    assert [(r.id, r.payload) for r in found] == [("a", b"MKVL"), ("2", b""), ("c", b"MKVL")]
    assert "--max-record" in found[1].error
    assert refused.value.where == f"{path}, row 2"
    assert [len(record.payload) for record in sequences.read(path)] == [4, 300, 4]


def test_intervals_pairs_and_molecules_that_are_too_long(tmp_path: Path) -> None:
    (tmp_path / "ref.fa").write_text(">chr1\nACGTACGTAC\n")
    bed = tmp_path / "a.bed"
    bed.write_text(f"#{'x' * 300}\nchr1\t0\t4\nchr1\t0\t4\tb\t0\t+\t{'x' * 300}\nchr1\t4\t8\n")
    pairs = tmp_path / "a.txt"
    pairs.write_text("one\ttwo\n" + "one " * 80 + "\ttwo\ntwo\tone\n")
    lines = tmp_path / "a.smi"
    lines.write_text("CC a\n" + "C" * 300 + " b\nCO c\n")
    block = "\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"
    block += "    0.0000    0.0000    0.0000 C   0  0\nM  END\n"
    blocks = tmp_path / "a.sdf"
    blocks.write_text(f"a{block}$$$$\nb{block}> <x>\n{'x' * 300}\n\n$$$$\nc{block}$$$$\n")
    words = Vocabulary(["one", "two"], np.ones(2, np.int64))
    paired = text.Domain(text.Settings(documents="pair"), words)
    reads = [
        lambda on_error: sequences.read(bed, on_error, reference=tmp_path / "ref.fa"),
        lambda on_error: paired.read(pairs, on_error),
        lambda on_error: molecule.Domain(molecule.Settings()).read(lines, on_error),
        lambda on_error: molecule.Domain(molecule.Settings()).read(blocks, on_error),
    ]
    for read in reads:
        with longest.allowing(200):
            found = list(read("skip"))
            assert [record.number for record in found] == [1, 2, 3]
            assert [bool(record.error) for record in found] == [False, True, False]
            assert "--max-record" in found[1].error
            with pytest.raises(DataError) as refused:
                list(read("stop"))
            assert ", record 2 (" in refused.value.where
        assert not any(record.error for record in read("skip"))
    assert [r.payload for r in sequences.read(bed, reference=tmp_path / "ref.fa")][::2] == [
        b"ACGT", b"ACGT",
    ]  # fmt: skip


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,sequence,{'x' * 300}\na,ACGT,1\n")
    with longest.allowing(200), pytest.raises(DataError) as refused:
        list(sequences.read(path, "skip"))
    assert refused.value.where.startswith(str(path))
    assert "--max-record" in refused.value.do
    (tmp_path / "b.sto").write_bytes(TOO_LONG["b.sto"])
    with longest.allowing(200), pytest.raises(DataError) as refused:
        alignment.read(tmp_path / "b.sto")
    assert refused.value.where == f"{tmp_path / 'b.sto'}, row 2"


def test_commands_take_a_limit(
    tmp_path: Path, command: Command, pretrained: Callable[..., None]
) -> None:
    pretrained(tmp_path)
    reads = b"@a\nACGT\n+\nIIII\n@b\n%s\n+\n%s\n@c\nACGT\n+\nIIII\n"
    (tmp_path / "a.fq").write_bytes(reads % (b"ACGT" * 75, b"I" * 300))
    more = ("a.fq", *SAME, "--json", "--on-error", "skip")
    assert command("embed", *more).json["bad"] == 0
    # Another limit makes another table.
    command("embed", *more, "--max-record", "200", check=2)
    assert command("embed", *more, "--max-record", "200", "--force").json["bad"] == 1
    stopped = command("embed", "a.fq", *SAME, "--max-record", "200", "-o", "b.parquet", check=3)
    assert "record 2 (b)" in stopped.err
    command("embed", "a.fq", "--max-record", "much", check=2)
    # So do tables, and what of them is good is as it is without the long row.
    for name, long in (("all", f"b,{'ACGT' * 75}\n"), ("good", "")):
        (tmp_path / f"{name}.csv").write_text(f"id,sequence\na,ACGTAC\n{long}c,GGCATA\n")
        more = (*SAME, "--json", "--max-record", "200", "-o", f"{name}.parquet")
        counts = command("embed", f"{name}.csv", *more, "--on-error", "skip").json
        assert counts["bad"] == bool(long)
    table, good = (pq.read_table(f"{name}.parquet").to_pydict() for name in ("all", "good"))
    assert table["id"] == ["a", "2", "c"]
    assert table["embedding"] == [good["embedding"][0], None, good["embedding"][1]]
    command("embed", "all.csv", *SAME, "--max-record", "200", "-o", "b.parquet", check=3)


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
