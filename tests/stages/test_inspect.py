"""sslkit inspect: every kind of file, what is wrong with it, and commands that run."""

import bz2
import gzip
import lzma
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.stages.inspect.records import Records, spread

Command = Callable[..., Any]

DNA = ">a one\nACGTNN\nacgt\n>b\nTTTT\n>c\nAAAA\n>a\nACGTNNACGT\n>e\nGGR\n"


def one(done: Any) -> Any:
    (entry,) = done.json["files"]
    return entry


def letters(size: int, seed: int) -> str:
    return "".join("ACGT"[i] for i in np.random.default_rng(seed).integers(0, 4, size))


def test_fasta(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(DNA)
    entry = one(command("inspect", "x.fa", "--json"))
    assert (entry["kind"], entry["domain"], entry["rna"]) == ("FASTA", "genome", False)
    assert (entry["records"], entry["letters"], entry["empty"]) == (5, 31, 0)
    assert entry["length"] == {"min": 3, "median": 4, "mean": 6.2, "max": 10, "n50": 10}
    assert entry["gc"] == pytest.approx(10 / 26)
    assert entry["n"] == pytest.approx(4 / 31)
    assert entry["ambiguous"] == pytest.approx(1 / 31)
    assert entry["lower_case"] == pytest.approx(4 / 31)
    assert entry["duplicates"]["exact"] == {"count": 1, "estimated": False, "example": [4, 1]}
    mirrored = {"count": 1, "estimated": False, "example": [3, 2]}
    assert entry["duplicates"]["reverse_complement"] == mirrored
    assert entry["duplicate_ids"]["example"] == [4, 1]
    assert entry["refused"] == {"count": 0, "first": []}


def test_a_person_reads_the_same_and_quiet_says_nothing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(DNA)
    done = command("inspect", "x.fa")
    for text in (
        "x.fa: FASTA of DNA, 56 B", "records              5", "min 3, median 4, mean 6.2, max 10",
        "reverse complements  1, as record 3, which repeats record 2", "next: sslkit build-vocab",
    ):  # fmt: skip
        assert text in done.out
    quiet = command("inspect", "x.fa", "-q")
    assert (quiet.out, quiet.err) == ("", "")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_line_ends_and_compression_do_not_matter(
    command: Command, tmp_path: Path, ends: str, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "x.fa").write_text(DNA)
    (tmp_path / "y.fa").write_bytes(pack(DNA.replace("\n", ends).encode()))
    plain, other = command("inspect", "x.fa", "y.fa", "--json").json["files"]
    for entry in (plain, other):
        for name in ("file", "bytes", "compression"):
            entry.pop(name)
    assert plain == other


def test_standard_input(sslkit: Command) -> None:
    done = sslkit("inspect", "-", "--json", stdin=DNA.encode())
    assert one(done)["records"] == 5
    assert done.json["next"] == ["sslkit build-vocab - --domain genome"]


KINDS = [
    ("x.fq", "@a\nACGT\n+\nIIII\n@b\nAC\n+\nII\n", {"kind": "FASTQ", "letters": 6}),
    ("x.fa", ">a\nACGU\n>b\nUU\n", {"kind": "FASTA", "rna": True}),
    ("x.faa", ">a\nMKVLEEFW\n>b\nMKXQ\n", {"domain": "protein", "ambiguous": 1 / 12}),
    ("x.faa", ">a\nMKV--EEFW\n", {"domain": "protein", "gaps": 2 / 9}),
    (
        "x.sto",
        "# STOCKHOLM 1.0\na MKV.EEFW\nb MKVLEEFW\n//\n",
        {"kind": "Stockholm", "domain": "protein", "records": 2, "letters": 15},
    ),
    ("x.bed", "chr1\t5\t20\nchr2\t0\t9\tpeak\n", {"kind": "BED", "letters": 24}),
    ("x.smi", "CCO one\r\n\r\nCCO two\r\nCl\r\n", {"records": 3, "letters": 8, "tokens": 7}),
    ("x.txt", "the cat\n\nsat on\nthe cat", {"records": 4, "empty": 1, "tokens": 6}),
    ("x.py", "@a\ndef f(x): # no\n  pass\n", {"domain": "code", "records": 3, "tokens": 9}),
    ("x.tsv", "name\tseq\na\tACGT\nb\tAC\n", {"kind": "table", "sequence_column": "seq"}),
    ("x.txt", ">a\nACGT\n", {"kind": "FASTA"}),
    ("x.strange", ">a\nACGT\n", {"kind": "FASTA"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "wanted"), KINDS, ids=[f"{k[0]}{n}" for n, k in enumerate(KINDS)]
)
def test_kinds(
    command: Command, tmp_path: Path, name: str, text: str, wanted: dict[str, Any]
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    entry = one(command("inspect", name, "--json"))
    assert {key: entry[key] for key in wanted} == wanted


def test_intervals_of_a_reference(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.bed").write_text("chr1\t0\t4\nchr1\t2\t99\n")
    (tmp_path / "g.fa").write_text(">chr1\nACGTAC\n")
    done = command("inspect", "x.bed", "--reference", "g.fa", "--json", check=3)
    entry = one(done)
    assert entry["letters"] == 4
    assert entry["refused"]["first"][0]["where"] == "x.bed, record 2 (chr1:2-99)"
    assert done.json["next"][0].startswith("sslkit embed x.bed --reference g.fa --on-error skip")


def test_genbank(command: Command, tmp_path: Path) -> None:
    record = (
        "LOCUS       X            8 bp    DNA     linear   BCT 01-JAN-2000\nACCESSION   X\nORIGIN\n"
    )
    (tmp_path / "x.gb").write_text(record + "        1 acgtacgt\n//\n")
    entry = one(command("inspect", "x.gb", "--json"))
    assert (entry["kind"], entry["letters"], entry["lower_case"]) == ("GenBank", 8, 0)


def test_labels(command: Command, tmp_path: Path) -> None:
    rows = ["a,ACGTAA,yes,train", "b,TTACGT,no,train", "c,ACGTAA,no,test", "d,GGGG,yes,dev"]
    (tmp_path / "x.csv").write_text("\n".join(["id,sequence,label,split", *rows]) + "\n")
    done = command("inspect", "x.csv", "--json")
    entry = one(done)
    assert entry["labels"]["classes"] == {"no": 2, "yes": 2}
    assert entry["labels"]["duplicates_of_another_label"] == 1
    assert entry["parts"] == {"dev": 1, "test": 1, "train": 2}
    assert entry["columns"]["label"] == {"missing": 0}
    (line,) = done.json["next"]
    assert line.startswith("sslkit finetune --task promoter --labels x.csv")
    pq.write_table(
        pa.table({"seq": ["ACGT", "AC", "GG"] * 9, "y": [n / 7 for n in range(27)]}),
        tmp_path / "x.parquet",
    )
    done = command("inspect", "x.parquet", "--json")
    assert one(done)["labels"]["kind"] == "regression"
    assert "--task regression --labels x.parquet" in done.json["next"][0]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("01", "--task promoter --labels"),
        ("xy", "--task promoter --set positive=y --labels"),
        ("xyz", "--task classification --labels"),
    ],
)
def test_the_task_that_labels_make(
    command: Command, tmp_path: Path, names: str, words: str
) -> None:
    rows = [f"{letters(30, n)},{names[n % len(names)]}" for n in range(30)]
    (tmp_path / "x.csv").write_text("\n".join(["sequence,label", *rows]) + "\n")
    (line,) = command("inspect", "x.csv", "--json").json["next"]
    assert words in line


MOLECULES = "name,smiles,label\na,OCC,1\nb,C1CC,0\nc,CCO,0\nd,c1ccccc1,1\ne,C1CCCCC1,0\n"


def test_tables_of_molecules(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(MOLECULES)
    done = command("inspect", "x.csv", "--json", check=3)
    entry = one(done)
    assert (entry["kind"], entry["domain"], entry["records"]) == ("table", "molecule", 5)
    (refused,) = entry["refused"]["first"]
    assert refused["where"] == "x.csv, record 2 (b)"
    assert refused["why"] == "RDKit cannot read 'C1CC': unclosed ring"
    # One molecule written in two ways is told; benzene is no cyclohexane.
    assert entry["duplicates"]["exact"] == {"count": 1, "estimated": False, "example": [3, 1]}
    assert entry["labels"]["duplicates_of_another_label"] == 1
    assert "finetune --task classification --labels x.csv --on-error skip" in done.json["next"][0]
    (tmp_path / "y.csv").write_text(MOLECULES.replace("smiles", "drug").replace("label", "other"))
    words = ("--domain", "molecule", "--sequence-column", "drug")
    entry = one(command("inspect", "y.csv", *words, "--json", check=3))
    assert (entry["domain"], entry["refused"]["count"]) == ("molecule", 1)


def test_files_of_molecules(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("smiles name\nOCC a\nC1CC b\nCCO c\n")
    done = command("inspect", "x.smi", check=3)
    assert "SMILES of molecules" in done.out
    assert "x.smi, record 2 (b): RDKit cannot read 'C1CC': unclosed ring (line 3)" in done.out
    block = "a\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"
    block += "    0.0000    0.0000    0.0000 C   0  0\nM  END\n"
    (tmp_path / "x.sdf").write_text(f"{block}$$$$\n{block[:40]}")
    entry = one(command("inspect", "x.sdf", "--json", check=3))
    assert (entry["kind"], entry["domain"], entry["records"]) == ("SDF", "molecule", 2)
    assert entry["refused"]["first"][0]["where"] == "x.sdf, record 2 (a)"


BAD = [
    ("x.fa", b"", "x.fa", "empty"),
    ("x.fa", b" \n\n", "x.fa", "empty"),
    ("x.fa", b">a\nACGTACGT\n>b\n\n>c\nAC\n", "x.fa, record 2 (b)", "the sequence is empty"),
    ("x.fa", b">a\nACGTACGTACGT\n>b\nMKVLQE\n", "x.fa, record 2 (b)", "'L' at letter 4"),
    ("x.fa", b"ACGT\n", "x.fa", "begins with 'ACGT'"),
    ("x.fa.gz", gzip.compress(DNA.encode() * 99)[:90], "x.fa.gz", "ended before"),
    ("x.fq", b"@a\nACGT\n+\nII\n", "x.fq, record 1 (a)", "cut off"),
    ("x.fq", b"@a\nACGT\n+\nIIII\nACGT\n", "x.fq, record 2", "begins with @"),
    ("x.csv", b"id,sequence,label\na,ACGT,1\nb,ACGA,\nc,AC,0\n", "x.csv, record 2 (b)", "missing"),
    ("x.csv", b"sequence,label\nACGT,1\nACGA,1\n", "x.csv", "all 2 labels are '1'"),
    ("x.csv", b"sequence,label\nACGT,1,2\nACGA,1\nAC,0\n", "x.csv, record 1", "3 cells"),
    ("x.csv", b"what,label\nACGT,1\n", "x.csv", "columns are what, label"),
    ("x.csv", b"sequence,label\n", "x.csv", "no row"),
    ("x.txt", b"abc \xff def\n", "x.txt, byte 5", "invalid start byte"),
    ("x.bed", b"chr1\t5\t20\nchr1\t9\t3\n", "x.bed, record 2", "holds no base"),
    ("x.what", b"nothing known", "x.what", "begins with"),
]


@pytest.mark.parametrize(
    ("name", "data", "where", "why"), BAD, ids=[str(n) for n in range(len(BAD))]
)
def test_what_a_stage_would_refuse_is_named(
    command: Command, tmp_path: Path, name: str, data: bytes, where: str, why: str
) -> None:
    (tmp_path / name).write_bytes(data)
    done = command("inspect", name, check=3)
    assert f"where: {where}" in done.err
    assert why in done.err


def test_one_bad_file_does_not_hide_the_others(command: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.fa").write_text("")
    (tmp_path / "in" / "b.fa").write_text(DNA)
    done = command("inspect", "in", "--json", check=3)
    assert "error" in done.json["files"][0]
    assert done.json["files"][1]["records"] == 5


def test_what_is_not_there(command: Command) -> None:
    assert "there is no file or folder nowhere.fa" in command("inspect", "nowhere.fa", check=2).err
    assert "there is no domain" in command("inspect", ".", "--domain", "x", check=2).err


def test_a_protein_where_dna_was_promised(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(">a\nMKVLEEFW\n>b\nMQLPSW\n")
    plain = command("inspect", "x.fa", "--json")
    assert plain.json["next"] == ["sslkit build-vocab x.fa --domain protein"]
    refused = command("inspect", "x.fa", "--domain", "genome", check=3)
    assert "2 records would be refused" in refused.err
    assert "x.fa, record 1 (a)" in refused.err


def test_the_suggested_commands_run(
    command: Command, tiny_genome: Path, tiny_labels: Path, tmp_path: Path
) -> None:
    tiny = ("--threads", "1")
    shape = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--window", "32")

    def follow(*words: str, more: tuple[str, ...] = ()) -> str:
        (line,) = command("inspect", *words, "--json").json["next"]
        _, *arguments = shlex.split(line, comments=True)
        command(*arguments, *more)
        return arguments[0]

    steps = ("--steps", "2")
    assert follow("corpus") == "build-vocab"
    assert follow("corpus", more=(*tiny, *shape, *steps, "--batch-tokens", "64")) == "pretrain"
    assert follow("corpus/genes.fa", more=tiny) == "embed"
    assert follow("labels/promoter.csv", more=(*tiny, *steps, "--batch", "8")) == "finetune"
    assert follow("embeddings.parquet") == "show"
    (tmp_path / "x.smi").write_text("CCO\nCl\n")
    assert follow("x.smi") == "build-vocab"
    fasta = f">a\n{'ACGTTGCA' * 9}\n"
    for file in (tmp_path / "all" / "plain.fa", tmp_path / "all" / ".hidden" / "more.fa"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(fasta)
    (following,) = command("inspect", "all", "--all-files", "--json").json["next"]
    done = command(*shlex.split(following)[1:], "--out", "all.parquet", "--json", *tiny)
    assert done.json["records"] == 2


@given(st.lists(st.integers(0, 40), min_size=1))
def test_lengths_against_a_sorted_list(sizes: list[int]) -> None:
    spread_of_sizes = spread(Counter(sizes))
    assert spread_of_sizes["median"] == np.median(sizes)
    assert spread_of_sizes["mean"] == pytest.approx(np.mean(sizes))
    half = next(
        size for size in sorted(set(sizes), reverse=True)
        if sum(other for other in sizes if other >= size) * 2 >= sum(sizes)
    )  # fmt: skip
    assert (spread_of_sizes["min"], spread_of_sizes["max"], spread_of_sizes["n50"]) == (
        min(sizes),
        max(sizes),
        half,
    )


def test_records_in_pieces() -> None:
    whole, parts = Records("x"), Records("x")
    text = letters(500, 1).encode()
    for records, step in ((whole, 500), (parts, 7)):
        for name in ("a", "b"):
            records.begin(name)
            for at in range(0, 500, step):
                records.add(text[at : at + step])
            records.end()
    assert whole.describe("genome") == parts.describe("genome")


_LONG = """
import resource, sys
from sslkit.cli.commands import app
try:
    app(["inspect", sys.argv[1], "--json"])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_a_300_mb_line_in_bounded_memory(tmp_path: Path) -> None:
    def peak(path: Path) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _LONG, str(path)], capture_output=True, text=True, check=True
        )
        return int(done.stderr.split()[-1])

    short, long = tmp_path / "short.fa", tmp_path / "long.fa"
    short.write_text(">a\n" + "ACGT" * 1000)
    with long.open("wb") as stream:
        stream.write(b">long\n")
        for _ in range(300):
            stream.write(b"ACGTACGTAC" * 100_000)
    assert peak(long) - peak(short) < 100


def test_pairs_of_texts(tmp_path: Path, command: Command) -> None:
    (tmp_path / "pairs.tsv").write_text("a cat\tun chat\nthe dog\tle chien noir\n", "utf-8")
    results = command("inspect", "pairs.tsv", "--json").json
    assert results["files"][0]["pairs"] == {"count": 2, "words": [4, 5]}
    assert results["next"] == ["sslkit build-vocab pairs.tsv --domain text"]
    assert "pairs of text" in command("inspect", "pairs.tsv").out
    command("build-vocab", "pairs.tsv", "--domain", "text", "-q")
    following = command("inspect", "pairs.tsv", "--json").json["next"]
    assert following == ["sslkit pretrain --set documents=pair --objective mlm+align"]
    (tmp_path / "bad.tsv").write_text("a cat\tun chat\nthe dog\t--\na\tun\n", "utf-8")
    refused = command("inspect", "bad.tsv", check=3)
    assert "bad.tsv, record 2" in refused.err
    assert "its second column holds no word" in refused.err


def test_python_that_does_not_parse_is_named(tmp_path: Path, command: Command) -> None:
    (tmp_path / "good.py").write_text("def f(x: int) -> int:\n    return x\n")
    (tmp_path / "bad.py").write_text("x = 1\ndef f(:\n")
    assert command("inspect", "good.py", "--json").json["files"][0]["refused"]["count"] == 0
    good, bad = command("inspect", "good.py", "bad.py", "--json").json["files"]
    assert (good["parses"], bad["parses"], bad["refused"]["count"]) == (True, False, 0)
    assert "line 2" in bad["parse_error"]
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff\xfe'\n")
    assert (
        command("inspect", "bytes.py", "--json", check=3).json["files"][0]["refused"]["count"] == 1
    )


def test_labels_of_letters_lead_to_a_task_of_letters(command: Command, tmp_path: Path) -> None:
    rows = ["MKVLAAGW,HHHC?EEE", "MKVWWYLAAGPE,HHHHHHCCCCCC", "MWL,CCC"]
    (tmp_path / "t.csv").write_text("\n".join(["sequence,label", *rows]) + "\n")
    done = command("inspect", "t.csv")
    assert "one for each letter, ?: 1, C: 10, E: 3, H: 9" in done.out
    assert "sslkit finetune --task tagging --labels t.csv" in done.out
    (tmp_path / "t.csv").write_text("\n".join(["sequence,label", *rows, "MKV,HH"]) + "\n")
    assert "--task tagging" not in command("inspect", "t.csv").out
    # So short a label may be as long as its sequence by chance.
    (tmp_path / "t.csv").write_text("sequence,label\nMKV,yes\nMWL,yes\nMW,no\nKV,no\n")
    assert command("inspect", "t.csv", "--json").json["files"][0]["labels"]["kind"] == "binary"
