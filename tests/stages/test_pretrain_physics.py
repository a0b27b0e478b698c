"""sslkit pretrain --domain physics: from an equation to a field, and what does not go with it."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import io as matlab

from sslkit.artifacts import checkpoint
from sslkit.engine.runlog import RunLog

Command = Callable[..., Any]

TINY = (
    "pretrain", "--domain", "physics", "--set", "points=64", "--set", "conditions=16", "--set",
    "width=8", "--set", "blocks=2", "--threads", "1", "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    """A reference for a viscosity at which Burgers' equation is nearly the heat equation."""
    x, t = np.linspace(-1, 1, 21), np.linspace(0, 1, 11)
    values = -np.sin(np.pi * x)[:, None] * np.exp(-(np.pi**2) * t)
    path = tmp_path / "heat.mat"
    matlab.savemat(path, {"x": x, "t": t, "usol": values})
    return path


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def same(one: Path, other: Path) -> bool:
    names = ("checkpoint.pt", "metrics.jsonl")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_a_short_run_lowers_loss_and_error(tmp_path: Path, command: Command, exact: Path) -> None:
    words = ("--set", "viscosity=1", "--set", f"reference={exact.name}", "--steps", "300")
    done = command(*TINY, *words, "--learning-rate", "0.01", "--json")
    assert "relative L2 error" in done.err
    assert "a field of zero" in done.err
    found = rows(tmp_path / "pretrained")
    assert found[-1]["loss"] < 0.2 * found[0]["loss"]
    judged = [row["relative_error"] for row in found if "relative_error" in row]
    assert judged[-1] < 0.6 * judged[0]
    assert done.json["relative_error"] == judged[-1]
    assert done.json["heldout_loss"] < done.json["floor_loss"]
    assert found[-1]["points"] == 300 * 64
    held = checkpoint.load(tmp_path / "pretrained")
    assert held.tokens == ()
    assert held.manifest.results["relative_error"] == judged[-1]
    assert [entry.path for entry in held.manifest.inputs] == ["heat.mat"]
    assert held.manifest.plugins["domain"]["settings"]["viscosity"] == 1
    # The configuration that it wrote makes the same run.
    again = command("pretrain", "--config", "pretrained/config.toml")
    assert "nothing to do" in again.err


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_resumed_to_the_bit(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    words = (*TINY, "--steps", "12", "--precision", precision)
    command(*words, "-o", "whole")
    write = RunLog.write

    def heard(log: RunLog, row: Any, read: int) -> None:
        write(log, row, read)
        if row["step"] == 5:
            monkeypatch.setattr(RunLog, "write", write)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunLog, "write", heard)
    command(*words, "-o", "parts", check=75)
    assert 5 <= len(rows(tmp_path / "parts")) < 12
    command(*words, "-o", "parts")
    assert same(tmp_path / "whole", tmp_path / "parts")
    kinds = {t.dtype for t in checkpoint.load(tmp_path / "whole").tensors["encoder"].values()}
    assert kinds == {torch.float64 if precision == "fp64" else torch.float32}


def test_another_viscosity_starts_from_a_run(tmp_path: Path, command: Command) -> None:
    command(*TINY, "--steps", "60", "--set", "viscosity=0.1")
    other = (*TINY, "--steps", "1", "--set", "viscosity=0.2")
    command(*other, "-o", "warm", "--start-from", "pretrained")
    command(*other, "-o", "cold")
    warm, cold = (rows(tmp_path / name)[0]["loss"] for name in ("warm", "cold"))
    assert warm < 0.8 * cold
    parents = checkpoint.load(tmp_path / "warm").manifest.parents
    assert list(parents) == ["pretrained/checkpoint.pt"]
    refused = command(*other, "-o", "warm", check=2)
    assert "start_from" in refused.err


def test_what_cannot_be_started_from(
    tmp_path: Path, command: Command, pretrained: Callable[..., None]
) -> None:
    command(*TINY, "--steps", "1")
    words = (*TINY, "--steps", "1", "-o", "next", "--start-from")
    assert "there is no checkpoint" in command(*words, "nothing", check=2).err
    wide = command(*words, "pretrained", "--set", "width=9", check=2).err
    assert "its field has width 8, not 9" in wide
    pretrained(tmp_path / "tokens")
    other = command(*words, "tokens/pretrained", check=2).err
    assert "its domain is genome (version 1), here physics (version 1)" in other
    assert "its vocabulary is another one" in other
    assert not (tmp_path / "next").exists()


def test_tokens_start_from_a_run_too(tmp_path: Path, command: Command, tiny_vocab: Path) -> None:
    words = (
        "pretrain", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--window", "32",
        "--batch-tokens", "256", "--precision", "fp32", "--threads", "1", "--device", "cpu",
    )  # fmt: skip
    command(*words, "--steps", "3", "-o", "first")
    command(*words, "--steps", "2", "-o", "second", "--start-from", "first", "--seed", "2")
    began = rows(tmp_path / "first")[0]["loss"], rows(tmp_path / "second")[0]["loss"]
    assert began[0] != began[1]
    deeper = ("-o", "third", "--start-from", "first", "--set", "blocks=2")
    assert "its transformer has blocks 1, not 2" in command(*words, *deeper, check=2).err
    refused = command(*words, "-o", "third", "--start-from", "first", "--objective", "clm", check=2)
    assert "its objective is mlm" in refused.err
    trained = ("--schedule", "constant", "--optimizer", "sgd", "--steps", "1")
    command(*words, *trained, "-o", "fourth", "--start-from", "first")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("corpus",), "has no corpus to read corpus for"),
        (("--window", "128"), "--window: domain physics has no corpus and no vocabulary"),
        (("--k", "6"), "--k: domain physics"),
        (("--vocab", "v.parquet", "--heldout", "0.1"), "--heldout, --vocab: domain physics"),
        (("--precision", "bf16"), "--precision fp32 or fp64"),
        (("--model", "transformer"), "it needs tokens; physics gives"),
        (("--model", "transformer"), "there fit: field"),
        (("--objective", "mlm"), "there fit: residual"),
        (("--set", "equation=heat"), "there is: burgers, allen-cahn"),
        (("--set", "viscosity=-1"), "viscosity is above 0"),
        (("--set", "reference=no.mat"), "no.mat"),
    ],
)
def test_what_does_not_go_with_an_equation(
    tmp_path: Path, command: Command, words: tuple[str, ...], said: str
) -> None:
    assert said in " ".join(command(*TINY, "--steps", "1", *words, check=None).err.split())
    assert not (tmp_path / "pretrained").exists()


def test_a_field_does_not_go_with_tokens(command: Command, tiny_vocab: Path) -> None:
    refused = command("pretrain", "--model", "field", check=2).err
    assert "it needs points; genome gives" in refused
    assert "transformer" in refused
    refused = command("pretrain", "--objective", "residual", check=2).err
    assert "objective residual does not fit domain genome" in refused
    assert "--plot draws the solution" in command("pretrain", "--plot", check=2).err


def test_other_stages_say_that_there_are_no_records(
    tmp_path: Path, command: Command, tiny_genome: Path, tiny_labels: Path
) -> None:
    command(*TINY, "--steps", "1")
    for words in (
        ("embed", "corpus/genes.fa"),
        ("score", "corpus/genes.fa"),
        ("finetune", "--task", "promoter"),
        ("probe", "--task", "promoter"),
        ("build-vocab", "corpus", "--domain", "physics"),
        ("inspect", "corpus/genes.fa", "--domain", "physics"),
    ):
        refused = command(*words, check=2).err
        assert "domain physics has no records" in refused, words
        assert "genome" in refused
    assert "field" in command("show", "pretrained").out


def test_the_picture(tmp_path: Path, command: Command, exact: Path) -> None:
    pytest.importorskip("matplotlib")
    words = (*TINY, "--steps", "1", "--plot", "--set")
    command(*words, f"reference={exact.name}", "-o", "judged")
    command(*words, "equation=allen-cahn", "-o", "alone")
    for name in ("judged", "alone"):
        made = (tmp_path / name / "solution.png").read_bytes()
        assert made.startswith(b"\x89PNG")
        assert len(made) > 20_000


def test_a_picture_needs_its_package(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "sslkit[plot]" in command(*TINY, "--plot", check=2).err
