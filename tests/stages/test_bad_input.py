"""What is wrong with an input is named by file and record, ends with 3, and loses nothing."""

import gzip
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

Command = Callable[..., Any]

TINY = (
    "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "2", "--window", "32",
    "--batch-tokens", "64",
)  # fmt: skip
SAME = ("--precision", "fp32", "--threads", "1")
STAGES = {
    "build-vocab": ("--threads", "1"),
    "pretrain": (*TINY, *SAME),
    "embed": SAME,
}
LABELS = {"finetune": ("--steps", "2", *SAME), "probe": SAME}


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path, tiny_labels: Path, command: Command) -> Path:
    """A chain up to ``pretrained``."""
    command("pretrain", *TINY, *SAME)
    return tmp_path


def left(folder: Path) -> dict[Path, int]:
    """All files but the cache, and when each was written."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".sslkit" not in path.parts)
    return {path: path.stat().st_mtime_ns for path in files}


CORPORA = [
    (b"", ["empty"]),
    (b">a\nACGTACGT\n>b\n\n>c\nACGTACGT\n", ["record 2 (b)", "empty"]),
    (b">a\nACGTACGT\n>b\nMKVLEEFPQ\n", ["record 2 (b)", "'L'"]),
    (b">a\nMKVLEEFPQ\n", ["record 1 (a)", "'L'"]),
    (gzip.compress(b">a\n" + b"ACGTTGCA" * 9999, mtime=0)[:-30], ["cut off"]),
    (b"ACGT\n>a\nACGT\n", ["title line"]),
]


@pytest.mark.parametrize("stage", STAGES)
def test_corpora(folder: Path, command: Command, stage: str) -> None:
    for data, words in CORPORA:
        (folder / "bad.fa").write_bytes(data)
        before = left(folder)
        refused = command(stage, "bad.fa", *STAGES[stage], "-o", "other", check=3)
        for word in ("bad.fa", *words):
            assert word in refused.err, (data[:20], refused.err)
        assert "Traceback" not in refused.err
        assert left(folder) == before


def rows(*lines: str) -> bytes:
    good = [f"g{n},{'ACGTTGCA' * 3}{'ACGT'[n % 4] * (n + 1)},{n % 2}" for n in range(20)]
    return ("\n".join(["id,sequence,label", *good, *lines]) + "\n").encode()


TABLES = [
    (b"", ["empty"]),
    (rows("bad,,1"), ["row 21 (bad)", "empty"]),
    (rows("bad,MKVLEEFPQ,1"), ["row 21 (bad)", "protein"]),
    (rows("bad,ACGTACGTAC,"), ["row 21 (bad)", "no label"]),
    (rows("bad,ACGTACGTAC"), ["row 21", "2 cells"]),
    (rows().replace(b",1\n", b",0\n"), ["all 20 records have the label '0'"]),
    (b"id,sequence\na,ACGT\n", ["lacks a label column"]),
    (b"id,label\na,1\n", ["lacks a sequence column"]),
    (gzip.compress(rows(), mtime=0)[:-30], ["cut off"]),
]


@pytest.mark.parametrize("stage", LABELS)
def test_labels(folder: Path, command: Command, stage: str) -> None:
    for data, words in TABLES:
        (folder / "bad.csv").write_bytes(data)
        before = left(folder)
        given = (stage, "--task", "promoter", "--labels", "bad.csv", *LABELS[stage])
        refused = command(*given, check=3)
        for word in ("bad.csv", *words):
            assert word in refused.err, (data[-20:], refused.err)
        assert left(folder) == before


@pytest.mark.parametrize("stage", LABELS)
@pytest.mark.parametrize(
    ("row", "message"), [("g3,ACGTACGTAC,1", "'g3' stands twice"), (",ACGTACGTAC,1", "is empty")]
)
def test_ids_in_a_column_that_was_named(
    folder: Path, command: Command, stage: str, row: str, message: str
) -> None:
    (folder / "bad.csv").write_bytes(rows(row))
    given = (stage, "--task", "promoter", "--labels", "bad.csv", "--id-column", "id")
    refused = command(*given, *LABELS[stage], check=3)
    assert "row 21" in refused.err
    assert message in refused.err


class Malice:
    """Leaves a folder behind when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (Path("trace"),)


def other_version(path: Path) -> None:
    saved = torch.load(path, weights_only=True)
    (name,) = (key for key, value in saved.items() if isinstance(value, str) and "format" in value)
    saved[name] = saved[name].replace('"format": 1', '"format": 99')
    torch.save(saved, path)


SPOILERS: list[tuple[Callable[[Path], Any], str]] = [
    (other_version, "artifact format 99 is not known here"),
    (lambda path: path.write_bytes(path.read_bytes()[:-200]), "is damaged"),
    (lambda path: path.write_bytes(b""), "is damaged"),
    (lambda path: torch.save({"manifest": Malice()}, path), "not executed"),
    (lambda path: path.write_bytes(pickle.dumps(Malice())), "is damaged"),
]


@pytest.mark.parametrize("stage", ["embed", "show", *LABELS])
def test_checkpoints(folder: Path, command: Command, stage: str) -> None:
    labels = ("--task", "promoter", *LABELS.get(stage, ()))
    words = {"embed": ("corpus/genes.fa", *SAME), "show": ("pretrained",)}.get(stage, labels)
    path = folder / "pretrained/checkpoint.pt"
    shutil.copy(path, folder / "good.pt")
    for spoil, message in SPOILERS:
        shutil.copy(folder / "good.pt", path)
        spoil(path)
        before = left(folder)
        refused = command(stage, *words, check=3)
        assert "pretrained/checkpoint.pt" in refused.err
        assert message in refused.err
        assert left(folder) == before
        assert not (folder / "trace").exists()


def test_line_ends_change_nothing(folder: Path, command: Command) -> None:
    for path in ("corpus/genes.fa", "labels/promoter.csv"):
        text = (folder / path).read_bytes()
        (folder / path).with_stem("crlf").write_bytes(text.replace(b"\n", b"\r\n"))

    for name in ("genes", "crlf"):
        corpus = f"corpus/{name}.fa"
        command("build-vocab", corpus, "--k", "3", "-o", f"{name}.vocab")
        command("pretrain", corpus, *TINY, *SAME, "-o", f"{name}.run")
        command("embed", corpus, *SAME, "-o", f"{name}.vectors")
    for name in ("promoter", "crlf"):
        given = ("--task", "promoter", "--labels", f"labels/{name}.csv")
        command("finetune", *given, *LABELS["finetune"], "-o", f"{name}.tuned")
    for kind, column in (("vocab", "count"), ("vectors", "embedding")):
        one, other = (pq.read_table(f"{name}.{kind}")[column] for name in ("genes", "crlf"))
        assert one == other
    one, other = ((folder / f"{name}.run/metrics.jsonl").read_text() for name in ("genes", "crlf"))
    assert one == other
    one, other = (
        (folder / f"{name}.tuned/metrics.jsonl").read_text() for name in ("promoter", "crlf")
    )
    assert one == other


def test_ids_of_a_corpus_may_repeat_and_keep_their_rows(folder: Path, command: Command) -> None:
    (folder / "twice.fa").write_text(">a\nACGTACGTTT\n>a\nTTTTGGGGAC\n")
    command("embed", "twice.fa", *SAME)
    table = pq.read_table(folder / "embeddings.parquet")
    assert table["id"].to_pylist() == ["a", "a"]
    assert table["row"].to_pylist() == [0, 1]
    entry = command("inspect", "twice.fa", "--json").json["files"][0]
    assert entry["duplicate_ids"]["count"] == 1


def limited(folder: Path, blocks: int, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that may write no file longer than so many KiB: as on a full disk."""
    code = f'ulimit -f {blocks}; exec "$0" -m sslkit "$@"'
    return subprocess.run(
        ["bash", "-c", code, sys.executable, *words], cwd=folder, capture_output=True, text=True,
        check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (1, ("build-vocab", "corpus", "--k", "3", "-o", "other.parquet")),
        (8, ("finetune", "--task", "promoter", *LABELS["finetune"])),
        (1, ("probe", "--task", "promoter", *LABELS["probe"])),
    ],
    ids=["build-vocab", "finetune", "probe"],
)
def test_a_full_disk(folder: Path, command: Command, blocks: int, words: tuple[str, ...]) -> None:
    done = limited(folder, blocks, *words)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    names = {path.name for path in left(folder)}
    assert not names & {"other.parquet", "probe.json"}
    assert not list((folder / "finetuned").rglob("checkpoint.pt"))
    assert not [name for name in names if name.endswith(".part")]
    command(*words)


EMPTY = {
    "a.fa": b">a\nACGTACGTACGTACGTACGTACGTACGTACGTAC\n" * 9,
    "a.fq": b"@a\nACGTACGTAC\n+\nIIIIIIIIII\n",
    "a.gb": b"LOCUS       A 10 bp DNA\nORIGIN\n        1 acgtacgtac\n//\n",
    "a.sto": b"# STOCKHOLM 1.0\na MKVL\n//\n",
    "a.smi": b"CCO a\nCCC b\n",
    "a.csv": b"id,smiles\na,CCO\n",
    "a.txt": b"one two three four\nfive six\n",
}
DOMAINS = {".sto": "protein", ".smi": "molecule", ".csv": "molecule", ".txt": "text"}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_files_are_passed_over_and_counted(
    tmp_path: Path, command: Command, name: str
) -> None:
    folder, ending = tmp_path / "some", Path(name).suffix
    folder.mkdir()
    (folder / name).write_bytes(EMPTY[name])
    more = ["--domain", DOMAINS.get(ending, "genome")]
    more += ["--column", "smiles"] if ending == ".csv" else []
    alone = command("build-vocab", "some", *more, "-o", "alone.parquet", "--json").json
    for number, nothing in enumerate((b"", b"\n\r\n", gzip.compress(b""))):
        (folder / f"b{number}{ending}").write_bytes(nothing)
    refused = command("build-vocab", "some", *more, "--threads", "1", check=3)
    assert f"some/b0{ending}" in refused.err
    results = command("build-vocab", "some", *more, "--on-error", "skip", "--json").json
    same = ("files", "tokens", "distinct")
    assert [results[key] for key in same] == [alone[key] for key in same]
    assert results["empty_files"] == 3


def test_every_stage_passes_over_empty_files(folder: Path, command: Command) -> None:
    corpus, skip = folder / "corpus", ("--on-error", "skip")
    (corpus / "nothing.fa").write_bytes(b"")
    (corpus / "blank.fa.gz").write_bytes(gzip.compress(b"\n"))
    for stage, more in STAGES.items():
        assert "corpus/blank.fa.gz" in command(stage, "corpus", *more, "-o", "x", check=3).err
    command("pretrain", "corpus", *TINY, *SAME, *skip, "-o", "other")
    for stage in ("embed", "score"):
        results = command(stage, "corpus", *SAME, *skip, "--json").json
        assert (results["records"], results["bad"], results["empty_files"]) == (23, 0, 2)
    # Where nothing is left there is nothing to do.
    for stage in ("embed", "score"):
        command(stage, corpus / "nothing.fa", *SAME, *skip, "-o", f"{stage}.parquet", check=3)
        assert not (folder / f"{stage}.parquet").exists()
    command("build-vocab", corpus / "nothing.fa", *skip, "-o", "none.parquet", check=3)
