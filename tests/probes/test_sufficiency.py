"""Too few labels are refused with what there is, and vectors that are all the same are told of."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslkit.artifacts import checkpoint, embeddings

Command = Callable[..., Any]

CPU = ("--precision", "fp32", "--threads", "1", "--device", "cpu")


@pytest.fixture
def folder(tmp_path: Path, pretrained: Command) -> Path:
    pretrained(tmp_path)
    return tmp_path


def write(path: Path, labels: list[Any], seed: int = 8) -> Path:
    """Random sequences of 60 bases with these labels."""
    rng = np.random.default_rng(seed)
    rows = [f"r{n},{''.join(rng.choice(list('ACGT'), 60))},{y}" for n, y in enumerate(labels)]
    path.write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("promoter", [0, 1, 0, 1, 1]),
        ("promoter", [0] * 39 + [1]),
        ("classification", ["a", "b", "a", "b", "b"]),
        ("regression", [0.5, 1.5, 2.5, 3.5, 4.5]),
        ("regression", [2.0] * 40),
    ],
)
@pytest.mark.parametrize("stage", ["probe", "finetune"])
def test_too_few_labels(
    folder: Path, command: Command, stage: str, task: str, labels: list[Any]
) -> None:
    words = ("--task", task, "--labels", write(folder / "few.csv", labels), *CPU)
    refused = command(stage, *words, *(("--steps", "2") if stage == "finetune" else ()), check=3)
    assert "few.csv" in refused.err
    assert refused.out == ""
    written = [path for name in ("probed", "finetuned") for path in (folder / name).rglob("*.*")]
    assert written == []


def test_parts_of_one_class(folder: Path, command: Command) -> None:
    both = write(folder / "both.csv", [0, 1] * 20)
    ones = write(folder / "ones.csv", [1] * 20, seed=9)
    for train, test in ((both, ones), (ones, both)):
        words = ("--task", "promoter", "--labels", train, "--test", test, *CPU)
        command("probe", *words, check=3)
        command("finetune", *words, "--steps", "2", check=3)
    # Accuracy alone takes no second class in the test part.
    assert not (folder / "probed").exists()
    command("probe", "--task", "promoter", "--labels", both, "--folds", "4", *CPU)


def test_a_task_of_units_with_one_class(folder: Path, command: Command) -> None:
    rng = np.random.default_rng(3)
    rows = [f"r{n},{''.join(rng.choice(list('ACGT'), 30))},{'x' * 30}" for n in range(12)]
    (folder / "one.csv").write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    words = ("--task", "tagging", "--labels", "one.csv", *CPU)
    command("finetune", *words, "--steps", "2", check=3)
    command("probe", *words, check=3)


def collapse(folder: Path) -> None:
    """Let the encoder give all tokens nearly the same vector."""
    path = folder / "pretrained/checkpoint.pt"
    held = checkpoint.load(path)
    encoder = dict(held.tensors["encoder"])
    for name, value in encoder.items():
        if value.dim() > 1:
            encoder[name] = value * 0 + value.mean(0, keepdim=True) + 1e-5 * value
    checkpoint.save(path, replace(held, tensors={"encoder": encoder}))


def test_a_collapsed_encoder_is_told_of(folder: Path, command: Command) -> None:
    labels = write(folder / "both.csv", [0, 1] * 20)
    embed = ("embed", labels, "--sequence-column", "sequence", *CPU)
    probe = ("probe", "--task", "promoter", "--labels", labels, *CPU)
    before = command(*embed, "--json")
    assert before.json["mean_correlation"] < 0.999
    assert "all but the same" not in before.err
    collapse(folder)
    done = command(*embed, "--json", "--force")
    assert done.json["mean_correlation"] > 0.999
    assert "all but the same" in done.err
    made = embeddings.read_manifest(folder / "embeddings.parquet")
    assert made.results["mean_correlation"] == done.json["mean_correlation"]
    assert "all but the same" in command(*probe).err
    found = json.loads((folder / "probed/promoter/probe.json").read_text())["results"]
    assert found["mean_correlation"]["pretrained"] > 0.999
    one = write(folder / "one.csv", [1])
    alone = command("embed", one, *embed[2:], "--json", "--force")
    assert alone.json["mean_correlation"] is None
    assert "all but the same" not in alone.err
