"""No stage judges on a record that the checkpoint, or one before it, was fine-tuned on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint
from sslkit.artifacts.learned import Learned

Command = Callable[..., Any]

CPU = ("--precision", "fp32", "--threads", "1", "--device", "cpu")
FINETUNE = ("finetune", "--task", "promoter", "--steps", "3", *CPU)
PROBE = ("probe", "--task", "promoter", *CPU)


@pytest.fixture
def finetuned(tmp_path: Path, tiny_labels: Path, pretrained: Command, command: Command) -> Path:
    """A folder with a run of 56, 8 and 16 records in ``finetuned/promoter``."""
    pretrained(tmp_path)
    command(*FINETUNE)
    return tmp_path


def judged(folder: Path) -> set[str]:
    """Ids of the records that a run was judged on."""
    table = pq.read_table(folder / "predictions.parquet", columns=["id", "split"]).to_pydict()
    pairs = zip(table["id"], table["split"], strict=True)
    return {name for name, part in pairs if part == "test"}


def turned(path: Path, out: Path) -> Path:
    """The same records as their other strand, under other ids."""
    head, *rows = path.read_text().split()
    cells = [row.split(",") for row in rows]
    strands = [
        f"t{i[1:]},{s[::-1].translate(str.maketrans('ACGT', 'TGCA'))},{y}" for i, s, y in cells
    ]
    out.write_text("\n".join([head, *strands]) + "\n")
    return out


def test_a_probe_of_what_was_fine_tuned(finetuned: Path, command: Command) -> None:
    unseen = judged(finetuned / "finetuned/promoter")
    assert len(unseen) == 16
    chain = (*PROBE, "--checkpoint", "finetuned/promoter")
    command(*chain, "--json")
    mine = judged(finetuned / "probed/promoter")
    assert mine <= unseen
    assert len(mine) >= 14
    # The pretrained one knows no label: its test part is what it always was.
    command(*PROBE, "--out", "plain", "--seed", "9")
    assert not judged(finetuned / "plain") <= unseen
    command(*chain, "--folds", "4", "--out", "folds", "--json")
    assert judged(finetuned / "folds") == unseen


def test_equal_records_of_other_files(finetuned: Path, command: Command) -> None:
    unseen = {f"t{name[1:]}" for name in judged(finetuned / "finetuned/promoter")}
    other = turned(finetuned / "labels/promoter.csv", finetuned / "other.csv")
    chain = ("--checkpoint", "finetuned/promoter", "--labels", other)
    command(*PROBE, *chain, "--json")
    assert judged(finetuned / "probed/promoter") <= unseen
    # A test part that is given loses the known ones.
    command(
        *PROBE, *chain[:2], "--test", other, "--labels", "labels/promoter.csv", "--out", "given"
    )
    assert judged(finetuned / "given") == unseen
    rows = other.read_text().split()
    learned = finetuned / "learned.csv"
    learned.write_text(
        "\n".join([rows[0], *(r for r in rows[1:] if r.split(",")[0] not in unseen)])
    )
    for more in (("--folds", "4"), ()):
        done = command(*PROBE, *chain[:2], "--labels", learned, *more, "--out", "none", check=3)
        assert not (finetuned / "none/probe.json").exists()
        assert "fine-tuned on all of the 64 records" in done.err


def test_the_second_of_two_fine_tunings(finetuned: Path, command: Command) -> None:
    first = finetuned / "finetuned/promoter"
    unseen = judged(first)
    command(*FINETUNE, "--checkpoint", first, "--out", "second", "--seed", "5")
    second = judged(finetuned / "second")
    assert second < unseen
    command(*PROBE, "--checkpoint", "second", "--folds", "4")
    assert judged(finetuned / "probed/promoter") == second
    # From scratch nothing is known.
    command(*FINETUNE, "--checkpoint", first, "--from-scratch", "--seed", "5", "--out", "scratch")
    assert not judged(finetuned / "scratch") <= unseen
    assert len(checkpoint.load(finetuned / "scratch").learned.records) == 64


def test_a_table_of_embeddings_says_it(finetuned: Path, command: Command) -> None:
    unseen = judged(finetuned / "finetuned/promoter")
    table = ("labels/promoter.csv", "--label-column", "label", "--sequence-column", "sequence")
    command("embed", *table, "--checkpoint", "finetuned/promoter", *CPU)
    rows = pq.read_table(finetuned / "embeddings.parquet", columns=["id", "learned"]).to_pydict()
    pairs = zip(rows["id"], rows["learned"], strict=True)
    assert {name for name, learned in pairs if not learned} == unseen
    probe = ("probe", "--task", "promoter", "--embeddings", "embeddings.parquet", "--threads", "1")
    command(*probe, "--folds", "4", "--out", "own")
    assert judged(finetuned / "own") == unseen
    command(*probe, "--labels", "labels/promoter.csv", "--folds", "4", "--out", "joined")
    assert judged(finetuned / "joined") == unseen
    command("embed", *table, *CPU, "--out", "plain.parquet")
    assert "learned" not in pq.read_schema(finetuned / "plain.parquet").names


def test_one_that_does_not_say_which_records(finetuned: Path, command: Command) -> None:
    path = finetuned / "finetuned/promoter/checkpoint.pt"
    checkpoint.save(path, replace(checkpoint.load(path), learned=Learned()))
    chain = (*PROBE, "--checkpoint", "finetuned/promoter")
    done = command(*chain, check=2)
    assert "labels/promoter.csv" in done.err
    assert not (finetuned / "probed").exists()
    other = turned(finetuned / "labels/promoter.csv", finetuned / "other.csv")
    command(*chain, "--labels", other, "--json")
    # What comes from it does not say it either.
    command(*FINETUNE, "--checkpoint", path, "--labels", other, "--out", "second")
    command(*PROBE, "--checkpoint", "second", check=2)
