"""sslkit retrieve from the command line: pairs of two made-up languages are learned and found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]
WORDS = 40


def written(path: Path, rows: int, seed: int) -> Path:
    """Sentences whose translation has another word for each of theirs, backwards."""
    generator = np.random.default_rng(seed)
    lines = []
    for _ in range(rows):
        sentence = generator.integers(0, WORDS, generator.integers(3, 8))
        lines.append(
            " ".join(f"w{n}" for n in sentence) + "\t" + " ".join(f"v{n}" for n in sentence[::-1])
        )
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def trained(tmp_path: Path, command: Command) -> Path:
    written(tmp_path / "train.tsv", 600, 1)
    written(tmp_path / "test.tsv", 60, 2)
    command("build-vocab", "train.tsv", "--domain", "text", "-q")
    command(
        "pretrain", "--domain", "text", "--set", "documents=pair", "--objective", "mlm+align",
        "--set", "blocks=1", "--set", "width=32", "--set", "heads=2", "--window", "16",
        "--batch-tokens", "1024", "--micro-tokens", "1024", "--steps", "60", "--threads", "1",
        "--learning-rate", "0.005", "-q",
    )  # fmt: skip
    return tmp_path


def test_translations_are_found(trained: Path, command: Command) -> None:
    done = command("retrieve", "test.tsv", "--threads", "1", "--json").json
    assert done["pairs"] == 60
    models = done["models"]
    for way in ("first to second", "second to first"):
        assert models["pretrained"][way]["top-1"]["low"] > 0.5
        assert models["untrained"][way]["top-1"]["high"] < 0.3
        # The languages have no word in common, so all candidates are as near.
        assert models["shared tokens"][way]["top-1"]["value"] == 0
        assert models["token by token"][way]["mrr"]["value"] > 0.2
    table = pq.read_table("retrieval.parquet").to_pydict()
    assert table["id"] == [str(n) for n in range(1, 61)]
    hits = np.mean(
        [one == rank for one, rank in zip(table["id"], table["nearest_second"], strict=True)]
    )
    assert hits == pytest.approx(models["pretrained"]["first to second"]["top-1"]["value"])
    before = Path("retrieval.parquet").stat()
    assert command("retrieve", "test.tsv", "--threads", "1", "--json").json == done
    assert Path("retrieval.parquet").stat() == before
    refused = command("retrieve", "test.tsv", "--layer", "0", check=2)
    assert "layer was 1 and is 0" in refused.err
    shown = command("retrieve", "test.tsv", "--force", "--threads", "1").out
    for words in ("60 pairs", "token by token", "pretrained", "mrr, second to first"):
        assert words in shown


def test_columns_of_a_table_are_pairs(trained: Path, command: Command) -> None:
    lines = (trained / "test.tsv").read_text("utf-8").splitlines()
    rows = [f"k{n},{line.replace(chr(9), ',')}" for n, line in enumerate(lines)]
    (trained / "test.csv").write_text("\n".join(["key,one,other", *rows]) + "\n", "utf-8")
    words = ("--sequence-column", "one", "--label-column", "other", "--threads", "1", "--json")
    plain = command("retrieve", "test.tsv", "--threads", "1", "--json").json
    results = command("retrieve", "test.csv", *words, "--id-column", "key", "-o", "t.parquet").json
    assert results["models"] == plain["models"]
    assert pq.read_table("t.parquet")["id"].to_pylist() == [f"k{n}" for n in range(60)]
    rows[1] = rows[1].replace("k1,", "k0,")
    (trained / "test.csv").write_text("\n".join(["key,one,other", *rows]) + "\n", "utf-8")
    assert "'k0'" in command("retrieve", "test.csv", *words, "--id-column", "key", check=3).err


def test_what_cannot_be_looked_up(trained: Path, command: Command) -> None:
    (trained / "one.tsv").write_text("w1 w2\n", "utf-8")
    refused = command("retrieve", "one.tsv", check=3)
    assert "one.tsv, record 1" in refused.err
    assert "it has one column, and a pair has two" in refused.err
    refused = command("retrieve", "one.tsv", "--on-error", "skip", check=3)
    assert "there is nothing to choose from" in refused.err
    assert not (trained / "retrieval.parquet").exists()


def test_other_domains_have_no_pairs(tmp_path: Path, tiny_vocab: Path, command: Command) -> None:
    words = ("--set", "blocks=1", "--set", "width=8", "--set", "heads=2", "--window", "32")
    command("pretrain", *words, "--steps", "1", "--batch-tokens", "64", "--threads", "1", "-q")
    assert "genome has no pairs" in command("retrieve", "a.tsv", check=2).err


def test_objectives_that_need_views_want_pairs(tmp_path: Path, command: Command) -> None:
    written(tmp_path / "train.txt", 200, 1)
    command("build-vocab", "train.txt", "-q")
    refused = command("pretrain", "--objective", "align", "--window", "16", check=2)
    assert "--set documents=pair" in refused.err
