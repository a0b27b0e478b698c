"""Runs whose files were moved, or that go on elsewhere: content decides, and threads are kept."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint, embeddings
from sslkit.engine.runlog import RunLog
from sslkit.inference.embedding import Work
from sslkit.vocab.external_sort import runs

Command = Callable[..., Any]

CPU = ("--precision", "fp32", "--device", "cpu")
PRETRAIN = (
    *("pretrain", "--steps", "8", "--window", "32", "--batch-tokens", "256", *CPU),
    *("--set", "blocks=1", "--set", "width=16", "--set", "heads=2"),
)
ONE = ("--threads", "1")


@pytest.fixture
def struck(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, int], None]:
    """Make this process get a SIGTERM after the n-th call of a method."""

    def after(owner: Any, name: str, count: int) -> None:
        whole, calls = getattr(owner, name), []

        def heard(*arguments: Any, **more: Any) -> Any:
            result = whole(*arguments, **more)
            calls.append(name)
            if len(calls) == count:
                monkeypatch.setattr(owner, name, whole)
                os.kill(os.getpid(), signal.SIGTERM)
            return result

        monkeypatch.setattr(owner, name, heard)

    return after


def metrics(run: Path) -> str:
    return (run / "metrics.jsonl").read_text()


def test_a_corpus_that_was_moved(
    tmp_path: Path, tiny_vocab: Path, command: Command, struck: Callable[..., None]
) -> None:
    command(*PRETRAIN, *ONE, "-o", "whole")
    struck(RunLog, "write", 4)
    command(*PRETRAIN, *ONE, check=75)
    (tmp_path / "disk").mkdir()
    (tmp_path / "corpus").rename(tmp_path / "disk/data")
    refused = command(*PRETRAIN, *ONE, check=2)
    assert "corpus/genes.fa" in refused.err
    command("pretrain", "disk/data", *PRETRAIN[1:], *ONE)
    assert metrics(tmp_path / "pretrained") == metrics(tmp_path / "whole")
    one, other = (checkpoint.load(tmp_path / name) for name in ("pretrained", "whole"))
    assert all(
        (one.tensors["encoder"][name] == value).all()
        for name, value in other.tensors["encoder"].items()
    )
    # Finished is finished, from wherever it is named.
    before = (tmp_path / "pretrained/checkpoint.pt").stat().st_mtime_ns
    command("pretrain", tmp_path / "disk/data", *PRETRAIN[1:], *ONE)
    assert (tmp_path / "pretrained/checkpoint.pt").stat().st_mtime_ns == before
    # Other content under the old names is another run.
    with (tmp_path / "disk/data/genes.fa").open("a") as stream:
        stream.write(">new\nACGTACGTACGTACGT\n")
    command("pretrain", "disk/data", *PRETRAIN[1:], *ONE, check=2)


def test_a_project_seen_from_another_folder(
    tmp_path: Path, tiny_vocab: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pq.read_table(tiny_vocab)
    manifest = json.loads(table.schema.metadata[b"sslkit"])
    assert [Path(entry["path"]).is_absolute() for entry in manifest["inputs"]] == [False, False]
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    command(*PRETRAIN, *ONE, "--vocab", "../vocab.parquet", "--steps", "1")
    inputs = checkpoint.load(tmp_path / "away/pretrained").manifest.inputs
    assert [entry.path for entry in inputs] == ["../corpus/genes.fa", "../corpus/genome.fa"]


def test_threads_of_a_run_that_goes_on(
    tmp_path: Path, tiny_vocab: Path, command: Command, struck: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    command(*PRETRAIN, *ONE, "-o", "whole")
    for out, more, threads, parts in (
        ("kept", (), 1, []),
        ("other", ("--threads", "2"), 2, [1, 2]),
    ):
        struck(RunLog, "write", 4)
        command(*PRETRAIN, *ONE, "-o", out, check=75)
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
        done = command(*PRETRAIN, *more, "-o", out)
        settings = checkpoint.load(tmp_path / out).manifest.settings
        assert settings["threads"] == threads
        assert [one["threads"] for one in settings.get("rounding", [])] == parts
        assert ("threads was 1 and is 2" in done.err) == bool(parts)
        assert f"bytes depend on: seed 1, threads {threads}, device cpu" in done.err
    whole, resumed = (tmp_path / name / "checkpoint.pt" for name in ("whole", "kept"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_a_vocabulary_of_a_corpus_that_was_moved(
    tmp_path: Path, tiny_genome: Path, command: Command, struck: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    words = ("--k", "3", "--threads", "1")
    struck(runs, "write_run", 1)
    command("build-vocab", "corpus", *words, check=75)
    shutil.copytree(tmp_path / "corpus", tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        os.utime(path, (1, 1))
    done = command("build-vocab", "copy", *words)
    assert "goes on after" in done.err
    before = (tmp_path / "vocab.parquet").stat().st_mtime_ns
    for place in ("corpus", tmp_path / "copy"):
        command("build-vocab", place, *words)
    assert (tmp_path / "vocab.parquet").stat().st_mtime_ns == before
    (tmp_path / "copy/genes.fa").write_text(">a\nACGTTTTT\n")
    command("build-vocab", "copy", *words, check=2)


def test_shares_of_folders_of_their_own(
    tmp_path: Path, tiny_genome: Path, command: Command
) -> None:
    command("build-vocab", "corpus", "--k", "3", "-o", "whole.parquet")
    shutil.copytree(tmp_path / "corpus", tmp_path / "copy")
    command("build-vocab", "corpus", "--k", "3", "--shard", "1/2")
    command("build-vocab", "copy", "--k", "3", "--shard", "2/2")
    command("build-vocab", "corpus", "--k", "3", "--shard", "2/2")
    command("merge-vocab", "part-1-of-2", "part-2-of-2")
    one, other = (pq.read_table(tmp_path / name) for name in ("vocab.parquet", "whole.parquet"))
    assert one.equals(other)
    # A share of another corpus is none of this one.
    (tmp_path / "copy/genome.fa").write_text(">a\nACGTTTTT\n")
    command("build-vocab", "copy", "--k", "3", "--shard", "2/2", check=2)


def test_labels_and_checkpoints_that_were_moved(
    tmp_path: Path, tiny_labels: Path, pretrained: Command, command: Command
) -> None:
    pretrained(tmp_path)
    finetune = ("finetune", "--task", "promoter", "--steps", "2", *CPU, *ONE)
    probe = ("probe", "--task", "promoter", *CPU)
    command(*finetune)
    command(*probe, *ONE)
    written = [
        tmp_path / "finetuned/promoter/checkpoint.pt",
        tmp_path / "probed/promoter/probe.json",
    ]
    before = [path.stat().st_mtime_ns for path in written]
    assert json.loads(written[1].read_text())["results"]["threads"] == 1
    (tmp_path / "disk").mkdir()
    for name in ("labels", "pretrained"):
        (tmp_path / name).rename(tmp_path / "disk" / name)
    moved = ("--checkpoint", "disk/pretrained", "--labels", "disk/labels/promoter.csv")
    command(*finetune, *moved)
    command(*probe, *moved, "--threads", "2")
    assert [path.stat().st_mtime_ns for path in written] == before


def test_a_table_that_goes_on_elsewhere(
    tmp_path: Path, tiny_genome: Path, pretrained: Command, command: Command,
    struck: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pretrained(tmp_path)
    words = ("--batch-tokens", "128", *CPU)
    command("embed", "corpus/genes.fa", *words, *ONE, "-o", "whole.parquet")
    struck(Work, "_blocks", 3)
    command("embed", "corpus/genes.fa", *words, *ONE, check=75)
    (tmp_path / "corpus").rename(tmp_path / "data")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    command("embed", "data/genes.fa", *words)
    one, other = (embeddings.read(tmp_path / f"{n}.parquet") for n in ("embeddings", "whole"))
    assert one.vectors.tobytes() == other.vectors.tobytes()
    assert one.manifest.settings["threads"] == 1
    assert not (tmp_path / "embeddings.parquet.parts").exists()
