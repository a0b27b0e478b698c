"""From plain text to a vocabulary, an encoder, embeddings and a probe, by the command line."""

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint
from sslkit.engine.runlog import RunLog

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "6",
    "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip
TOPICS = (
    "cat dog horse mouse fur paw tail", "stone river hill sand lake cliff shore",
    "bread salt soup oven spoon apple flour",
)  # fmt: skip


def sentence(generator: np.random.Generator, topic: int) -> str:
    words = generator.choice(TOPICS[topic].split(), generator.integers(3, 9)).tolist()
    return " ".join(words).capitalize() + "."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``corpus`` with a text on each topic, and ``labels/topics.csv``."""
    generator = np.random.default_rng(3)
    (tmp_path / "corpus").mkdir()
    for topic in range(len(TOPICS)):
        text = " ".join(sentence(generator, topic) for _ in range(300))
        (tmp_path / f"corpus/{topic}.txt").write_text(text + "\n")
    (tmp_path / "labels").mkdir()
    with (tmp_path / "labels/topics.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "text", "label"])
        for number in range(60):
            cell = " ".join(sentence(generator, number % 3) for _ in range(2))
            rows.writerow([f"d{number}", cell, "abc"[number % 3]])
    return tmp_path


@pytest.fixture
def vocab(folder: Path, command: Command) -> Path:
    command("build-vocab", "--domain", "text", "corpus")
    return folder / "vocab.parquet"


def equal(one: Path, other: Path) -> bool:
    names = ("checkpoint.pt", "metrics.jsonl")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("objective", "losses"),
    [
        ("mlm", {"heldout_perplexity"}),
        ("clm", {"heldout_perplexity"}),
        ("sentence-order", {"floor_loss"}),
        ("next-sentence", {"floor_loss"}),
        ("mlm+sentence-order", {"heldout_loss_mlm", "heldout_loss_sentence-order"}),
        ("clm+next-sentence", {"heldout_loss_clm", "floor_loss_next-sentence"}),
    ],
)
def test_objectives_of_text(
    folder: Path, vocab: Path, command: Command, objective: str, losses: set[str]
) -> None:
    done = command(*TINY, "--objective", objective, "--json")
    assert losses <= set(done.json)
    assert "tokens of domain text" in done.err
    held = checkpoint.load(folder / "pretrained")
    assert held.manifest.plugins["domain"]["settings"] == {"split": "words", "documents": "file"}


def test_embeddings_and_a_probe(folder: Path, vocab: Path, command: Command) -> None:
    command(*TINY, "--steps", "30")
    command("embed", "corpus", "-o", "files.parquet", "--threads", "1")
    assert pq.read_table(folder / "files.parquet")["id"].to_pylist() == ["0.txt", "1.txt", "2.txt"]
    words = ("embed", "labels/topics.csv", "--label-column", "label", "--threads", "1")
    command(*words, "-o", "usual.parquet")
    table = pq.read_table(folder / "usual.parquet")
    assert table["id"].to_pylist()[:2] == ["d0", "d1"]
    assert all(vector is not None for vector in table["embedding"].to_pylist())
    command(*words, "-o", "named.parquet", "--sequence-column", "text")
    named = pq.read_table(folder / "named.parquet")
    assert named["embedding"].to_pylist() == table["embedding"].to_pylist()
    common = ("--task", "classification", "--json", "--threads", "1")
    for words in (
        ("--checkpoint", "pretrained", "--labels", "labels/topics.csv"),
        ("--embeddings", "usual.parquet", "--labels", "labels/topics.csv"),
        ("--embeddings", "usual.parquet"),
    ):
        found = command("probe", *words, *common, "--force").json
        assert "macro_f1" in json.dumps(found)


def test_finetune(folder: Path, vocab: Path, command: Command) -> None:
    command(*TINY)
    done = command(
        "finetune", "--task", "classification", "--labels", "labels/topics.csv",
        "--steps", "4", "--threads", "1", "--device", "cpu",
    )  # fmt: skip
    assert "labels/topics.csv: 60 records, 0 skipped" in done.err


@pytest.mark.parametrize("objective", ["mlm+sentence-order", "next-sentence"])
def test_a_run_that_was_stopped_ends_in_the_same_bytes(
    folder: Path,
    vocab: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    objective: str,
) -> None:
    words = (*TINY, "--objective", objective, "--set", "dropout=0.1")
    command(*words, "-o", "whole")
    write = RunLog.write

    def heard(log: RunLog, row: Any, tokens: int) -> None:
        write(log, row, tokens)
        if row["step"] == 3:
            monkeypatch.setattr(RunLog, "write", write)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunLog, "write", heard)
    command(*words, "-o", "parts", check=75)
    assert "continuing parts at step" in command(*words, "-o", "parts").err
    assert equal(folder / "whole", folder / "parts")


def test_every_word_that_was_counted_is_read(folder: Path, vocab: Path, command: Command) -> None:
    command(*TINY)
    files = sorted((folder / ".sslkit/shards").glob("*.units"))
    units = np.concatenate([np.fromfile(file, np.uint32) for file in files])
    counts = pq.read_table(vocab)["count"].to_pylist()
    assert np.bincount(units & 0x7FFFFFFF).tolist() == counts
    assert np.count_nonzero(units >> 31) == 3 * 300


def test_documents_may_be_lines(folder: Path, vocab: Path, command: Command) -> None:
    """What a document is can change after words were counted; units are made anew."""
    command(*TINY, "-o", "files")
    shards = set((folder / ".sslkit/shards").iterdir())
    generator = np.random.default_rng(5)
    lines = [f"{sentence(generator, n % 3)} {sentence(generator, n % 3)}\n" for n in range(80)]
    (folder / "lines.txt").write_text("".join(lines))
    command(*TINY, "lines.txt", "-o", "lines", "--set", "documents=line", "--heldout", "0.3")
    assert set((folder / ".sslkit/shards").iterdir()) > shards
    found = checkpoint.load(folder / "lines").manifest.plugins["domain"]["settings"]
    assert found["documents"] == "line"
    command("embed", "lines.txt", "--checkpoint", "lines", "--threads", "1")
    assert pq.read_table(folder / "embeddings.parquet").num_rows == 80


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"cat dog \xff mouse\n", "new.txt, byte 9"),
        (b"", "it holds no word"),
        (b"cat\0dog", "new.txt, byte 4"),
    ],
)
def test_files_that_cannot_be_used(
    folder: Path, vocab: Path, command: Command, raw: bytes, message: str
) -> None:
    (folder / "corpus/new.txt").write_bytes(raw)
    assert message in " ".join(command(*TINY, "corpus", check=3).err.split())
    assert not (folder / "pretrained").exists()
    skipped = command(*TINY, "corpus", "--on-error", "skip").err
    assert ("1 empty or unreadable file skipped" in skipped) == (not raw)
    assert message in " ".join(command("embed", "corpus", check=3).err.split())


def test_refusals(folder: Path, command: Command) -> None:
    (folder / "one.smi").write_text("CCO\nCCN\n")
    command("build-vocab", "one.smi", "--subword", "bpe", "--max-size", "260", "-o", "m.parquet")
    assert "holds pieces of tokens" in command(*TINY, "--vocab", "m.parquet", check=2).err
    command("build-vocab", "--domain", "text", "corpus")
    (folder / "one.txt").write_text("cat dog mouse")
    assert "too small to hold anything out" in command(*TINY, "one.txt", check=3).err
    (folder / "flat.txt").write_text(" ".join(f"cat dog{n}" for n in range(4000)))
    said = command(*TINY, "flat.txt", "--objective", "sentence-order", check=3).err
    assert "holds nothing that sentence-order could be asked" in " ".join(said.split())
