"""sslkit finetune --adapt: what is trained, what is written, and one of another package."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from sslkit.artifacts import checkpoint

Command = Callable[..., Any]

TINY = (
    "finetune", "--task", "promoter", "--steps", "12", "--precision", "fp32", "--threads", "1",
    "--device", "cpu", "--learning-rate", "0.01",
)  # fmt: skip
LORA = (*TINY, "--adapt", "lora", "--set", "rank=2")
#: In each block of width 16: qkv 48 x 16, out 16 x 16, up 64 x 16, down 16 x 64.
UPDATE = 2 * (64 + 32 + 80 + 80)
NAMES = ("checkpoint.pt", "metrics.jsonl", "predictions.parquet")


@pytest.fixture
def folder(tmp_path: Path, tiny_labels: Path, pretrained: Command) -> Path:
    pretrained(tmp_path)
    return tmp_path


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoint.load(run).tensors["encoder"])


def moved(folder: Path, run: str) -> set[str]:
    """Names of encoder weights that are others than before, without their ends."""
    before, after = weights(folder / "pretrained"), weights(folder / run)
    assert list(before) == list(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    return {name.removesuffix(".weight") for name in changed}


def test_lora_writes_a_plain_checkpoint(folder: Path, command: Command) -> None:
    done = command(*LORA, "-o", "tuned")
    layers = {f"blocks.{n}.{name}" for n in (0, 1) for name in ("qkv", "out", "up", "down")}
    assert moved(folder, "tuned") == layers
    head = sum(t.numel() for t in checkpoint.load(folder / "tuned").tensors["head"].values())
    trainable = f"block 1 {UPDATE:,}, block 2 {UPDATE:,}, head {head:,}"
    assert f"trainable {2 * UPDATE + head:,}: {trainable}" in done.err
    plugin = checkpoint.load(folder / "tuned").manifest.plugins["adaptation"]
    assert plugin["name"] == "lora"
    assert plugin["settings"] == {"rank": 2, "alpha": 16.0, "targets": "*"}
    # What reads checkpoints knows nothing of it; the plain encoder says what was predicted.
    common = ("--threads", "1", "--device", "cpu")
    command("embed", "labels/promoter.csv", "--checkpoint", "tuned", *common)
    assert pq.read_table(folder / "embeddings.parquet").num_rows == 80
    command(*TINY, "--checkpoint", "tuned", "-o", "again")
    inherited = checkpoint.load(folder / "again").manifest.plugins
    assert inherited["adaptation"]["name"] == "freeze"


def test_lora_and_freeze(folder: Path, command: Command) -> None:
    for words, run in ((("--adapt", "lora+freeze"), "named"), (("--adapt", "lora"), "short")):
        command(*TINY, *words, "--freeze", "1", "--set", "lora.targets=qkv,out", "-o", run)
        assert moved(folder, run) == {"blocks.1.qkv", "blocks.1.out"}
    for name in NAMES:
        assert (folder / "named" / name).read_bytes() == (folder / "short" / name).read_bytes()
    command(*TINY, "--checkpoint", "short", "-o", "again")
    plugins = checkpoint.load(folder / "again").manifest.plugins
    assert {kind for kind in plugins if "adaptation" in kind} == {"adaptation"}


def test_full_and_freeze_of_nothing_are_one(folder: Path, command: Command) -> None:
    command(*TINY, "-o", "usual")
    command(*TINY, "--adapt", "full", "-o", "full")
    usual, full = weights(folder / "usual"), weights(folder / "full")
    assert all(torch.equal(usual[name], full[name]) for name in usual)
    assert rows(folder / "usual") == rows(folder / "full")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--adapt", "lorra"), 2),
        (("--adapt", "lora+lora"), 2),
        (("--adapt", "lora", "--set", "rank=17"), 2),
        (("--adapt", "lora", "--set", "targets=query"), 2),
        (("--adapt", "lora", "--set", "alpha=-1"), 2),
        (("--adapt", "lora", "--freeze", "3"), 2),
        (("--adapt", "full", "--set", "rank=2"), 2),
    ],
)
def test_refusals_claim_nothing(
    folder: Path, command: Command, words: tuple[str, ...], code: int
) -> None:
    command(*TINY, *words, check=code)
    assert not (folder / "finetuned").exists()


def test_killed_and_continued_ends_in_the_same_bytes(
    folder: Path, command: Command, pretrained: Command
) -> None:
    pretrained(folder, dropout=0.2, stride=3)
    words = (*LORA, "--steps", "40", "--patience", "50")
    command(*words, "-o", "whole")
    parts = (*words, "-o", "parts", "--checkpoint-every", "0.05")
    metrics = folder / "parts" / "metrics.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "sslkit", *parts],
        cwd=folder, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        while process.poll() is None:
            if metrics.is_file() and metrics.read_bytes().count(b"\n") >= 15:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        process.communicate()
    assert process.returncode == 75
    assert "continuing parts at step" in command(*parts).err
    for name in NAMES:
        assert (folder / "whole" / name).read_bytes() == (folder / "parts" / name).read_bytes()


def test_samples_of_the_posterior_are_plain_checkpoints(folder: Path, command: Command) -> None:
    sampling = ("--optimizer", "sgld", "--set", "samples=2", "--steps", "20")
    command(*LORA, *sampling, "--learning-rate", "1e-4", "-o", "tuned")
    samples = [path for path in (folder / "tuned").rglob("*.pt") if path.name != "checkpoint.pt"]
    assert len(samples) == 2
    before = weights(folder / "pretrained")
    for path in samples:
        tensors = checkpoint.load(path).tensors["encoder"]
        assert {n: t.shape for n, t in tensors.items()} == {n: t.shape for n, t in before.items()}


@pytest.mark.slow
def test_two_processes_learn_as_one_does(folder: Path, command: Command) -> None:
    words = (*LORA, "--set", "head_dropout=0")  # Processes drop by themselves.
    command(*words, "-o", "one")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "sslkit", *words, "-o", "two"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for one, other in zip(rows(folder / "one"), rows(folder / "two"), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)
    assert moved(folder, "two") == moved(folder, "one")


#: The sum of squared distances to the start, and that of the states before and after.
STAY = '''
"""Stay near the start."""

from dataclasses import dataclass, field

import torch

from sslkit.contracts import adaptation

VERSION = 1


@dataclass(frozen=True)
class Settings:
    weight: float = field(default=1.0, metadata={"help": "of the distance"})
    distance: str = field(default="weights", metadata={"help": "of weights, or of states"})


class Adaptation(adaptation.Adaptation):
    def prepare(self, learner, before):
        self.start = {n: p.detach().clone() for n, p in learner.encoder.named_parameters()}
        self.teacher = before.encoder()
        (first,) = before.batches(0)
        assert len(first["tokens"]) == 32
        plain = self.teacher.state_dict()
        assert all(torch.equal(plain[name], value) for name, value in self.start.items())

    def penalty(self, learner, batch):
        if self.settings.distance == "states":
            with torch.no_grad():
                taught = self.teacher(batch).values
            return self.settings.weight * (learner.encoder(batch).values - taught).square().mean()
        pairs = ((p, self.start[n]) for n, p in learner.encoder.named_parameters())
        return self.settings.weight * sum((p - start).square().sum() for p, start in pairs)
'''


def test_an_adaptation_of_another_package(folder: Path, command: Command, install: Any) -> None:
    install("theirs", {"adapt:stay": STAY})
    assert "stay" in command("show", "adaptation").out
    start = weights(folder / "pretrained")

    def distance(weight: str, run: str, *more: str) -> float:
        words = ("--adapt", "stay", "--set", f"stay.weight={weight}", *more)
        command(*TINY, *words, "--set", "warmup=0", "-o", run)
        after = weights(folder / run)
        return sum(float((after[name] - start[name]).square().sum()) for name in start)

    far, near = distance("0", "free"), distance("10", "tied")
    assert near < 0.5 * far
    log = rows(folder / "tied")
    assert log[0]["loss_penalty"] == 0
    for row in log:
        assert row["loss"] == pytest.approx(row["loss_supervised"] + row["loss_penalty"])
    assert log[-1]["loss_penalty"] > 0
    assert log[-1]["heldout_loss"] < log[-1]["loss"]
    # Without a distance it is training as it is without the adaptation.
    command(*TINY, "--set", "warmup=0", "-o", "usual")
    usual, free = weights(folder / "usual"), weights(folder / "free")
    assert all(torch.equal(usual[name], free[name]) for name in usual)
    assert distance("100", "taught", "--set", "stay.distance=states") < far
