"""From source code to a vocabulary, an encoder and embeddings, by the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint

Command = Callable[..., Any]

SAMPLE = Path(__file__).parents[2] / "sample_data" / "code"
TINY = (
    "pretrain", "--domain", "code", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2",
    "--steps", "6", "--window", "32", "--batch-tokens", "256", "--precision", "fp32",
    "--threads", "1", "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, command: Command) -> Path:
    """``src`` and its vocabulary."""
    shutil.copytree(SAMPLE, tmp_path / "src")
    command("build-vocab", "src", "--domain", "code")
    return tmp_path


def test_the_chain(folder: Path, command: Command) -> None:
    done = command(*TINY, "--set", "annotation_weight=4", "--json")
    assert "heldout_perplexity" in done.json
    held = checkpoint.load(folder / "pretrained")
    assert held.manifest.plugins["domain"]["settings"] == {
        "split": "parts", "documents": "file", "annotation_weight": 4.0, "weights": "",
    }  # fmt: skip
    command("embed", "src", "--threads", "1")
    table = pq.read_table(folder / "embeddings.parquet")
    assert table["id"].to_pylist()[:2] == ["module_1.py", "module_2.py"]
    assert all(vector is not None for vector in table["embedding"].to_pylist())


def test_weights_of_one_change_nothing_and_others_do(folder: Path, command: Command) -> None:
    for name, settings in {
        "none": (), "ones": ("weights=string=1,call=1",), "four": ("annotation_weight=4",)
    }.items():  # fmt: skip
        words = [word for one in settings for word in ("--set", one)]
        command(*TINY, *words, "-o", name)
    none, ones, four = (
        (folder / name / "metrics.jsonl").read_bytes() for name in ("none", "ones", "four")
    )
    assert none == ones != four


@pytest.mark.parametrize("objective", ["clm", "contrastive", "mlm+contrastive"])
def test_objectives_of_code(folder: Path, command: Command, objective: str) -> None:
    words = ("--objective", objective, "--set", "documents=function")
    command(*TINY, *words, "--set", "annotation_weight=4")
    held = checkpoint.load(folder / "pretrained")
    assert held.manifest.plugins["domain"]["settings"]["documents"] == "function"


def test_python_that_does_not_parse(folder: Path, command: Command) -> None:
    (folder / "src/bad.py").write_text("x = 1\ndef f(:\n")
    command("build-vocab", "src", "--force")
    command(*TINY)
    command("embed", "src", "--threads", "1")
    table = pq.read_table(folder / "embeddings.parquet")
    rows = dict(zip(table["id"].to_pylist(), table["embedding"].to_pylist(), strict=True))
    assert None not in rows.values()
    assert "bad.py" in rows
    refused = command(*TINY, "--set", "documents=function", "-o", "other", check=3)
    for word in ("src/bad.py, record 1", "line 2", "--on-error skip"):
        assert word in refused.err


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("annotation_weight=-1", "annotation_weight is a number from 0 on"),
        ("weights=strings=2", "there is no class 'strings'"),
        ("split=letters", "split"),
    ],
)
def test_settings_that_cannot_be(folder: Path, command: Command, setting: str, words: str) -> None:
    assert words in command(*TINY, "--set", setting, check=2).err
