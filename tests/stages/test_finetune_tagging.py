"""finetune on labels of units: from the command line, to the bit, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint
from sslkit.data.splits import PARTS

Command = Callable[..., Any]
TINY = (
    "finetune", "--task", "tagging", "--precision", "fp32", "--threads", "1", "--device", "cpu",
)  # fmt: skip


def write(folder: Path, more: str = "", part: str = "") -> Path:
    """Bases, and whether each is the same as the one before it; masked labels say it wrongly."""
    draw = np.random.default_rng(2)
    path = folder / "labels" / "tagging.csv"
    path.parent.mkdir(exist_ok=True)
    lines = ["id,sequence,label" + (",split" if part else "")]
    for number in range(120):
        bases = "".join(
            draw.choice(list("ACGT"), int(draw.integers(30, 150)), p=[0.4, 0.4, 0.1, 0.1])
        )
        same = "".join("yn"[a != b] for a, b in zip("-" + bases, bases, strict=False))
        masked = draw.random(len(bases)) < 0.1
        label = "".join("?" if m else s for m, s in zip(masked, same, strict=True))
        lines.append(f"r{number},{bases},{label}" + (f",{part}" if part else ""))
    path.write_text("\n".join(lines) + "\n" + more)
    return path


@pytest.fixture
def folder(tmp_path: Path, pretrained: Command) -> Path:
    pretrained(tmp_path)
    write(tmp_path)
    return tmp_path


def test_it_learns_and_says_every_unit_of_the_test_records(folder: Path, command: Command) -> None:
    done = command(*TINY, "--steps", "60", "--learning-rate", "1e-2", "--class-weights", "balanced")
    for text in (
        "read labels/tagging.csv: 120 records, 0 skipped; labels of",
        "split (made valid and test): train 84, valid 12, test 24",
        "wrote finetuned/tagging/checkpoint.pt",
    ):
        assert text in done.err
    assert "known units of 24" in " ".join(done.out.split())
    run = folder / "finetuned/tagging"
    manifest = checkpoint.load(run).manifest
    assert manifest.plugins["objective"]["name"] == "supervised-units"
    assert manifest.plugins["objective"]["settings"]["outputs"] == 2
    # A token of three bases holds the one before it.
    assert manifest.results["metrics"]["accuracy"]["value"] > 0.9
    table = pq.read_table(run / "predictions.parquet").to_pydict()
    assert "model" not in table
    assert table["split"] == ["test"] * 24
    given = {
        name: label
        for name, _, label in (
            line.split(",") for line in (folder / "labels/tagging.csv").read_text().splitlines()[1:]
        )
    }
    right = total = 0
    for name, label, units in zip(table["id"], table["label"], table["prediction"], strict=True):
        assert label == given[name]
        assert len(units) == len(label)
        assert set(units) <= {"n", "y"}
        known = [a == b for a, b in zip(label, units, strict=True) if a != "?"]
        right, total = right + sum(known), total + len(known)
    assert manifest.results["test_units"] == total
    assert manifest.results["metrics"]["accuracy"]["value"] == pytest.approx(right / total)


def test_two_runs_write_equal_bytes_and_a_third_has_nothing_to_do(
    folder: Path, command: Command
) -> None:
    words = (*TINY, "--steps", "6", "--from-scratch")
    command(*words)
    command(*words, "-o", "again")
    for name in ("checkpoint.pt", "predictions.parquet", "metrics.jsonl"):
        one, other = (folder / at / name for at in ("finetuned/tagging", "again"))
        assert one.read_bytes() == other.read_bytes()
    assert "is finished: nothing to do" in command(*words).err
    assert "another" in command(*words, "--window", "20", check=2).err


def test_given_parts_and_records_of_which_nothing_is_known(folder: Path, command: Command) -> None:
    rows = write(folder).read_text().splitlines()[1:]
    parts = [*["train"] * 80, *["valid"] * 20, *["test"] * 20]
    lines = [f"{row},{part}" for row, part in zip(rows, parts, strict=True)]
    for part in PARTS:
        bases = "ACGTACGTTT" + "ACG"[PARTS.index(part)]
        lines.append(f"u{part},{bases},{'?' * len(bases)},{part}")
    path = folder / "parts.csv"
    path.write_text("\n".join(["id,sequence,label,split", *lines]) + "\n")
    done = command(*TINY, "--labels", path, "--steps", "2", "--json")
    assert done.json["test_records"] == 20
    table = pq.read_table(folder / "finetuned/tagging/predictions.parquet").to_pydict()
    assert table["id"][-1] == "utest"
    assert table["label"][-1] == "?" * 11


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--class-weights", "some"), 2, "--class-weights is none or balanced, not 'some'"),
        (("--set", "positions=3"), 2, "--set knows no 'positions' here"),
        (("--freeze", "9"), 2, "the encoder has 2 blocks"),
    ],
)
def test_refusals(
    folder: Path, command: Command, words: tuple[str, ...], code: int, message: str
) -> None:
    assert folder.is_dir()
    assert message in " ".join(command(*TINY, *words, check=code).err.split())


def test_a_label_of_another_length_stops_or_is_skipped(folder: Path, command: Command) -> None:
    write(folder, more="bad,ACGTA,nnnn\n")
    errors = command(*TINY, check=3).err
    assert "labels/tagging.csv, row 121 (bad)" in errors
    assert "its label has 4 letters, and its sequence 5 units" in errors
    done = command(*TINY, "--steps", "2", "--on-error", "skip")
    assert "120 records, 1 skipped" in done.err


def test_a_part_without_known_labels_is_refused(folder: Path, command: Command) -> None:
    other = folder / "other.csv"
    other.write_text("id,sequence,label\nx,ACGTACG,???????\n")
    errors = " ".join(command(*TINY, "--test", other, check=3).err.split())
    assert "no known label is left for the test part" in errors
