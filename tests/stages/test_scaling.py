"""sslkit scaling as a user runs it, on logs of runs that were written for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint

Command = Callable[..., Any]


def write(
    folder: Path, name: str, size: int, *, points: int = 20, probe: bool = True,
    finished: bool = True, flops: bool = True, stopped: str = "",
) -> None:  # fmt: skip
    """A run of an encoder of so many parameters, evaluated at every tenth step."""
    generator = np.random.default_rng(size)
    run = folder / name
    run.mkdir()
    lines = []
    for step in range(1, 10 * points + 1):
        row: dict[str, float] = {"step": step, "loss": 3.0, "tokens": 100 * step}
        if step % 10 == 0:
            spent = step / (10 * points)
            reached = 1 + 20 * size**-0.5 + 0.2 * spent**-0.7
            row["heldout_loss"] = reached + 0.001 * generator.normal()
            if flops:
                row["flops"] = 6.0 * size * row["tokens"]
            if probe:
                row["probe_auc"] = 0.95 - 0.1 * (reached - 1)
        lines.append(json.dumps(row) + "\n")
    (run / "metrics.jsonl").write_text("".join(lines))
    (run / "log.jsonl").write_text(json.dumps({"step": 10 * points, "seconds": 12.0}) + "\n")
    if finished:
        provenance = manifest.make("pretrain", {}, results={"stopped": stopped} if stopped else {})
        tensors = {"encoder": {"weight": torch.zeros(size)}, "head": {}}
        checkpoint.save(run / "checkpoint.pt", Checkpoint(provenance, tensors, (), torch.zeros(0)))


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    names = []
    for size in (100, 200, 400, 800, 1600):
        names.append(f"s{size}")
        write(tmp_path, names[-1], size, stopped="twice is little" if size == 100 else "")
    return names


def test_the_table_and_what_machines_read(command: Command, runs: list[str]) -> None:
    done = command("scaling", *runs)
    for text in ("heldout_loss by flops", "probe_auc by flops", "best of all runs", "s1600"):
        assert text in done.out
    assert "s100: 20.0k tokens, 12.0M FLOPs, 12 s; stopped: twice is little" in done.err
    results = command("scaling", *runs, "--json").json
    assert [run["parameters"] for run in results["runs"]] == [100, 200, 400, 800, 1600]
    curves = {(c["curve"], c["metric"]): c for c in results["curves"]}
    assert len(curves) == 12
    gain = curves["s400", "heldout_loss"]["gain_of_doubling"]
    wanted = 0.2 - 0.2 * 2**-0.7
    assert gain["low"] <= wanted <= gain["high"]
    assert curves["s400", "probe_auc"]["gain_of_doubling"]["value"] == pytest.approx(
        wanted / 10, rel=0.1
    )
    law = curves["s400", "heldout_loss"]["law"]
    assert law["exponent"]["low"] <= 0.7 <= law["exponent"]["high"]
    assert len(curves["s400", "heldout_loss"]["spent"]) == 20


def test_by_parameters_the_ends_of_runs_are_compared(command: Command, runs: list[str]) -> None:
    results = command("scaling", *runs, "--by", "parameters", "--json").json
    loss = next(c for c in results["curves"] if c["metric"] == "heldout_loss")
    assert loss["curve"] == "ends of runs"
    assert loss["spent"] == [100, 200, 400, 800, 1600]
    assert loss["law"]["exponent"]["low"] <= 0.5 <= loss["law"]["exponent"]["high"]
    refused = command("scaling", *runs[:3], "--by", "parameters", check=3).err
    assert "too little to fit a law" in refused
    assert "a law takes 4 runs" in refused


@pytest.mark.parametrize("by", ["flops", "tokens", "parameters"])
def test_the_picture(command: Command, runs: list[str], tmp_path: Path, by: str) -> None:
    pytest.importorskip("matplotlib")
    messages = command("scaling", *runs, "--by", by, "--plot", "scaling.png").err
    picture = (tmp_path / "scaling.png").read_bytes()
    assert "wrote scaling.png" in messages
    assert picture.startswith(b"\x89PNG")
    command("scaling", *runs, "--by", by, "--plot", "again.png")
    assert (tmp_path / "again.png").read_bytes() == picture


def test_one_run_that_goes_on(command: Command, tmp_path: Path) -> None:
    write(tmp_path, "a", 100, finished=False, probe=False)
    done = command("scaling", "a", "--json")
    assert "a is not finished: read up to step 200" in done.err
    assert [c["curve"] for c in done.json["curves"]] == ["a"]
    refused = command("scaling", "a", "--by", "parameters", check=2).err
    assert "a is not finished" in refused
    assert "--by tokens" in refused


def test_operations_of_runs_that_did_not_count_them(command: Command, tmp_path: Path) -> None:
    for name, counted in (("a", True), ("b", False)):
        write(tmp_path, name, 100, flops=counted)
    one, other = command("scaling", "a", "b", "--json").json["curves"][:2]
    assert one["spent"] == other["spent"]
    write(tmp_path, "c", 100, flops=False, finished=False)
    assert "--by tokens" in command("scaling", "c", check=2).err
    command("scaling", "c", "--by", "tokens")


def test_a_real_run_can_be_read(command: Command, tmp_path: Path, tiny_vocab: Path) -> None:
    command(
        "pretrain", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "250",
        "--window", "16", "--batch-tokens", "32", "--precision", "fp32", "--threads", "1",
    )  # fmt: skip
    results = command("scaling", "pretrained", "--json").json
    assert results["curves"][0]["law"]["points"] == 5
    assert results["runs"][0]["tokens"] > 0


def test_a_run_on_an_equation_has_read_points(command: Command, tmp_path: Path) -> None:
    write(tmp_path, "field", 100)
    log = tmp_path / "field" / "metrics.jsonl"
    log.write_text(log.read_text().replace('"tokens"', '"points"'))
    done = command("scaling", "field")
    assert "field: 20.0k points, 12.0M FLOPs" in done.err
    assert command("scaling", "field", "--json").json["runs"][0]["points"] == 20_000
    assert "has read points" in command("scaling", "field", "--by", "tokens", check=2).err


def test_refusals(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty has no log" in command("scaling", "empty", check=2).err
    assert "nowhere has no log" in command("scaling", "nowhere", check=2).err
    write(tmp_path, "short", 100, points=1)
    refused = command("scaling", "short", check=3).err
    assert "too little to fit a law" in refused
    assert "the longest curve has 1" in refused
    assert "named twice" in command("scaling", "short", "short", check=2).err
    assert "--by" in command("scaling", "short", "--by", "dollars", check=2).err


def test_a_missing_library_is_named_with_its_extra(
    command: Command, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "sslkit[plot]" in command("scaling", *runs, "--plot", "a.png", check=2).err
