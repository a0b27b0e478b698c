"""sslkit plan and pretrain --mem: what is chosen, what is refused, and that results stay."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit.artifacts import checkpoint

Command = Callable[..., Any]

SHAPE = ("--set", "blocks=2", "--set", "width=16", "--set", "heads=2", "--threads", "1")
SMALL = (*SHAPE, "--window", "32", "--batch-tokens", "512", "--precision", "fp32")
PRETRAIN = ("pretrain", *SMALL, "--steps", "6", "--device", "cpu")


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path) -> Path:
    return tmp_path


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_table(folder: Path, command: Command) -> None:
    told = command("plan", "--mem", "100G", *SMALL, "--depths", "4,2").out
    for text in ("100 GiB", "gradient checkpointing", "chosen", "by depth", "blocks"):
        assert text in told
    held = command("plan", "--mem", "100G", *SMALL, "--depths", "4,2", "--json").json
    assert held["chosen"]["gradient_checkpointing"] is False
    assert (held["chosen"]["micro_tokens"], held["chosen"]["micro_batches"]) == (512, 1)
    assert [way["micro_tokens"] for way in held["ways"]] == [512] * 2 + [256, 128, 64, 32] * 2
    assert list(held["depths"]) == ["2", "4"]
    assert not (folder / "pretrained").exists()


def test_checkpointing_and_smaller_micro_batches_take_less(folder: Path, command: Command) -> None:
    shape = ("--set", "blocks=8", "--set", "width=64", "--window", "128", "--threads", "1")
    held = command("plan", "--mem", "100G", *shape, "--precision", "fp32", "--json").json
    peaks = {(way["gradient_checkpointing"], way["micro_tokens"]): way["peak"]
             for way in held["ways"]}  # fmt: skip
    for again in (False, True):
        sizes = sorted(micro for which, micro in peaks if which == again)
        found = [peaks[again, micro] for micro in sizes]
        assert found == sorted(found)
    assert peaks[True, 8192] < peaks[False, 8192]


def test_a_budget_that_cannot_be_met_names_the_smallest_that_can(
    folder: Path, command: Command
) -> None:
    for words in (("plan", *SMALL), PRETRAIN):
        refused = command(*words, "--mem", "20M", check=4)
        assert "--mem 20M is too little" in refused.err
        (least,) = (word for word in refused.err.split() if word.endswith("M:"))
        assert int(least[:-2]) > 100
    assert not (folder / "pretrained" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--objective", "skipgram", "--model", "skipgram"), "--mem does not go with skipgram"),
        (("--depths", "two"), "no numbers of blocks"),
        (("--mem", "much"), "not an amount of memory"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, command: Command, words: tuple[str, ...], message: str
) -> None:
    assert message in command("plan", "--mem", "1G", "--threads", "1", *words, check=2).err


def test_the_micro_batch_stays_where_rows_see_each_other(folder: Path, command: Command) -> None:
    for words in (("--objective", "contrastive"), ("--set", "norm=batch")):
        done = command("plan", "--mem", "100G", *SMALL, *words, "--json")
        assert {way["micro_tokens"] for way in done.json["ways"]} == {512}
        assert "stays as it is" in done.err


def test_gradient_checkpointing_gives_the_same_bytes(folder: Path, command: Command) -> None:
    words = (*PRETRAIN, "--set", "dropout=0.2")
    command(*words, "-o", "a")
    command(*words, "-o", "b", "--gradient-checkpointing")
    one, other = (checkpoint.load(folder / name).tensors for name in "ab")
    for part, held in one.items():
        assert all((value == other[part][name]).all() for name, value in held.items())
    assert losses(folder / "a") == losses(folder / "b")
    refused = command(
        "pretrain", "--objective", "skipgram", "--model", "skipgram", "--gradient-checkpointing",
        check=2,
    )  # fmt: skip
    assert "skipgram has no blocks" in refused.err


def test_losses_do_not_depend_on_the_micro_batch(folder: Path, command: Command) -> None:
    # Genes of 150 bases and more beside windows of 512: steps hold rows of unequal length.
    words = ("pretrain", *SHAPE, "--window", "512", "--batch-tokens", "8192", "--steps", "6")
    for micro in ("512", "4096"):
        command(*words, "--precision", "fp32", "--micro-tokens", micro, "-o", micro)
    assert losses(folder / "512") == pytest.approx(losses(folder / "4096"), abs=1e-5)


def test_pretraining_within_a_budget(folder: Path) -> None:
    words = [sys.executable, "-m", "sslkit", *PRETRAIN, "--mem", "4G"]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, check=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "--mem 4G: micro-batches of 512 tokens, gradient checkpointing off" in done.stderr
    assert (folder / "pretrained" / "checkpoint.pt").is_file()
