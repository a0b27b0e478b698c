"""From text and code to pieces of words, an encoder and all that reads with it."""

import csv
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
from sslkit.vocab import vocabulary

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "6",
    "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip
COUNT = ("build-vocab", "--domain", "text", "corpus", "--max-size", "300")
TOPICS = ("cats doghouse horses mousetrap", "stones riverbed hillside sandstone")


def sentences(generator: np.random.Generator, topic: int, count: int) -> str:
    drawn = (generator.choice(TOPICS[topic].split(), 5).tolist() for _ in range(count))
    return " ".join(" ".join(words).capitalize() + "." for words in drawn)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``corpus`` with a text on each topic, ``labels.csv`` and ``new.txt`` with unseen words."""
    generator = np.random.default_rng(3)
    (tmp_path / "corpus").mkdir()
    for topic in range(2):
        (tmp_path / f"corpus/{topic}.txt").write_text(sentences(generator, topic, 300))
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "text", "label"])
        for number in range(40):
            rows.writerow([f"d{number}", sentences(generator, number % 2, 2), "ab"[number % 2]])
    (tmp_path / "new.txt").write_text("Cathouse sandcats, naïve 日本 stones.")
    return tmp_path


@pytest.mark.parametrize("method", ["bpe", "unigram"])
def test_the_chain_needs_nothing_but_the_checkpoint(
    folder: Path, command: Command, method: str
) -> None:
    command(*COUNT, "--subword", method)
    told = command(*TINY, "--objective", "clm", "--steps", "40", "--json").json
    assert np.isfinite(told["heldout_perplexity"])
    held, _ = vocabulary.load(folder / "vocab.parquet")
    kept = checkpoint.load(folder / "pretrained")
    assert kept.spelling.merges.tolist() == held.spelling.merges.tolist()
    assert kept.spelling.scores.tolist() == held.spelling.scores.tolist()
    library = pytest.importorskip("tokenizers").Tokenizer.from_file(
        str(folder / "vocab.tokenizer.json")
    )
    for name in ("vocab.parquet", "vocab.tokenizer.json"):
        (folder / name).unlink()
    common = ("--checkpoint", "pretrained", "--threads", "1")
    command("score", "new.txt", *common, "-o", "whole.parquet")
    command("score", "new.txt", *common, "--per-position", "-o", "each.parquet")
    each = pq.read_table(folder / "each.parquet").to_pylist()
    pieces = library.encode((folder / "new.txt").read_text()).tokens
    assert [row["token"] for row in each] == pieces
    assert len(pieces) > 5
    (whole,) = pq.read_table(folder / "whole.parquet").to_pylist()
    assert whole["length"] == whole["tokens"] == len(pieces)
    total = sum(row["log_p"] for row in each)
    assert whole["log_likelihood"] == pytest.approx(total, rel=1e-5)
    command("embed", "labels.csv", *common)
    assert pq.read_table(folder / "embeddings.parquet")["embedding"].null_count == 0
    task = ("--task", "classification", "--labels", "labels.csv", "--json", *common)
    models = command("probe", *task).json["models"]
    values = {model["name"]: model["metrics"]["macro_f1"]["value"] for model in models}
    assert values["composition logistic"] == 1.0
    assert any(name.startswith("pretrained") for name in values)
    command("finetune", *task, "--steps", "6")
    tuned = checkpoint.load(folder / "finetuned/classification")
    assert tuned.spelling.merges.tolist() == held.spelling.merges.tolist()
    # A finetuned one is read by the stages that follow, too.
    command("embed", "new.txt", "--checkpoint", "finetuned/classification", "--threads", "1",
            "-o", "tuned.parquet")  # fmt: skip
    assert pq.read_table(folder / "tuned.parquet")["length"].to_pylist() == [len(pieces)]


@pytest.mark.parametrize("objective", ["mlm+sentence-order", "next-sentence"])
def test_objectives_of_sentences(folder: Path, command: Command, objective: str) -> None:
    command(*COUNT, "--subword", "bpe")
    done = command(*TINY, "--objective", objective, "--json")
    assert any(name.startswith("floor_loss") for name in done.json)


def test_pairs_of_texts(folder: Path, command: Command) -> None:
    generator = np.random.default_rng(5)
    lines = [f"{sentences(generator, 0, 1)}\t{sentences(generator, 1, 1)}" for _ in range(300)]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")
    command(*COUNT, "--subword", "unigram")
    words = ("pairs.tsv", "--set", "documents=pair", "--objective", "align")
    command(*TINY, *words)
    models = command("retrieve", "pairs.tsv", "--threads", "1", "--json").json["models"]
    assert 0 <= models["pretrained"]["first to second"]["top-1"]["value"] <= 1


def test_code(folder: Path, command: Command) -> None:
    generator = np.random.default_rng(2)
    names = [f"read{word}" for word in ("Files", "Lines", "Things", "Pages")]
    bodies = (
        f"def {generator.choice(names)}(value_{n}: int) -> str:\n    return str(value_{n} + {n})\n"
        for n in range(300)
    )
    (folder / "a.py").write_text("\n".join(bodies))
    command("build-vocab", "a.py", "--subword", "bpe", "--max-size", "290")
    weights = ("--set", "code.annotation_weight=4", "--objective", "mlm+contrastive")
    command(*TINY, *weights)
    command("embed", "a.py", "--threads", "1")
    (row,) = pq.read_table(folder / "embeddings.parquet").to_pylist()
    counts = vocabulary.load(folder / "vocab.parquet")[0].counts
    assert row["length"] == counts.sum()


def test_a_run_that_was_stopped_ends_in_the_same_bytes(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(*COUNT, "--subword", "bpe")
    command(*TINY, "-o", "whole")
    write = RunLog.write

    def stopping(log: RunLog, row: Any, tokens: int) -> None:
        write(log, row, tokens)
        if row["step"] == 3:
            monkeypatch.setattr(RunLog, "write", write)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunLog, "write", stopping)
    command(*TINY, "-o", "parts", check=75)
    command(*TINY, "-o", "parts")
    for name in ("checkpoint.pt", "metrics.jsonl"):
        assert (folder / "whole" / name).read_bytes() == (folder / "parts" / name).read_bytes()


def test_other_merges_are_another_vocabulary(folder: Path, command: Command) -> None:
    command(*COUNT, "--subword", "bpe")
    command(*TINY, "-o", "first")
    shards = len(list((folder / ".sslkit/shards").iterdir()))
    held, made = vocabulary.load(folder / "vocab.parquet")
    turned = held.spelling.merges[::-1].copy()
    spelling = type(held.spelling)(0, turned, held.spelling.scores)
    other = vocabulary.Vocabulary(held.tokens, held.counts, spelling)
    vocabulary.save(folder / "other.parquet", other, made.to_json())
    start = ("--vocab", "other.parquet", "--start-from", "first", "-o", "second")
    assert "vocabulary is another one" in command(*TINY, *start, check=2).err
    command(*TINY, "--vocab", "other.parquet", "-o", "third")
    assert len(list((folder / ".sslkit/shards").iterdir())) > shards
    command(*TINY, "--start-from", "first", "-o", "fourth")


def test_pieces_without_what_makes_them_are_refused(folder: Path, command: Command) -> None:
    command(*COUNT, "--subword", "bpe")
    table = pq.read_table(folder / "vocab.parquet")
    pq.write_table(table.drop_columns(["merges"]), folder / "vocab.parquet")
    command(*TINY, check=3)
