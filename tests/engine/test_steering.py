"""Every schedule and every optimizer in the one loop: continued to the bit, and taken in turn."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslkit import catalog, rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.encoder import Encoder, States
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.loop import Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan, Work
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.engine.steering import Plugin, Steering
from sslkit.errors import RequeueError
from sslkit.types import Arrays, Batch, Draws

RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
QUIET = Console(quiet=True)
STEPS, ROWS = 30, 24
#: Settings that make so short a run sensible.
SHORT: dict[str, dict[str, Any]] = {
    "sgld": {"samples": 4}, "lbfgs": {"iterations": 2}, "pi": {"target": 0.2},
}  # fmt: skip
OPTIMIZERS = [*catalog.names("optimizer"), "adamw+lbfgs", "sgd+sgld"]


class Line(Encoder):
    """A small net of one number per row."""

    width, depth, causal = 4, 1, False

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 4)
        self.drop = nn.Dropout(0.1)

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        return [("layer", list(self.layer.parameters()))]

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        return States(self.drop(torch.tanh(self.layer(batch["x"]))), None)


class Fit:
    """Least squares of a curve; every step asks the same."""

    def head(self, width: int) -> nn.Module:
        return nn.Linear(width, 1)

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        return batch

    def count(self, batch: Arrays) -> dict[str, float]:
        return {"fit": float(len(batch["y"]))}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        said = head(encoder(batch).values)[:, 0]
        return {"fit": (said - batch["y"]).square().sum()}


def plugin(kind: str, name: str) -> Plugin:
    module = catalog.load(kind, name)
    return module, module.Settings(**SHORT.get(name, {}))


def training(folder: Path, schedule: str, optimizer: str, micro: int = 8) -> Training:
    plan = Plan(
        steps=STEPS, learning_rate=0.01, warmup=4, weight_decay=0.01, clip=1.0, evaluate_every=9,
        seed=1, steering=Steering(
            plugin("schedule", schedule),
            tuple(plugin("optimizer", name) for name in optimizer.split("+")),
        ),
    )  # fmt: skip
    torch.manual_seed(3)
    learner = Learner(Line(), Fit())
    x = rng.Counter(5, 0, np.arange(ROWS)).uniform("x", 2) * 4 - 2
    whole = {"x": x, "y": np.sin(x[:, 0]) * x[:, 1], "length": np.ones(ROWS, np.int64)}

    def batches(step: int) -> list[Arrays]:
        cut = [slice(at, at + micro) for at in range(0, ROWS, micro)]
        return [{name: array[part] for name, array in whole.items()} for part in cut]

    def evaluate(learner: Learner) -> dict[str, float]:
        return {"heldout_loss": float(sum(p.detach().sum() for p in learner.parameters()))}

    folder.mkdir(exist_ok=True)
    work = Work(batches, evaluate)
    return Training(learner, Rates({}), work, plan, RUNTIME, World(), RunFolder(folder))


def stopping_at(run: Training, step: int) -> Stop:
    stop, batches = Stop(), run.work.batches

    def heard(at: int) -> list[Arrays]:
        if at + 1 == step:
            stop.hear(signal.SIGTERM, None)
        return list(batches(at))

    run.work = Work(heard, run.work.evaluate)
    return stop


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def left(folder: Path) -> dict[str, bytes]:
    """All that equal runs have in common, by name."""
    found = [folder / "metrics.jsonl", *sorted((folder / "samples").glob("*"))]
    return {path.name: path.read_bytes() for path in found}


Pair = tuple[str, str]
PAIRS: list[Pair] = [
    *((schedule, "adamw") for schedule in catalog.names("schedule")),
    *(("cosine", optimizer) for optimizer in OPTIMIZERS),
    ("pi", "adamw+lbfgs"), ("pi", "sgd"),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "optimizer"), PAIRS)
def test_resumed_to_the_bit(tmp_path: Path, schedule: str, optimizer: str) -> None:
    whole = training(tmp_path / "whole", schedule, optimizer)
    final = whole.run(Stop(), QUIET)
    # Within warm-up, at its end, before and after a second optimizer takes over, and late.
    for stop_at in (2, 4, 7, 9, 23, 24, 25, 28):
        run = training(tmp_path / "parts", schedule, optimizer)
        with pytest.raises(RequeueError):
            run.run(stopping_at(run, stop_at), QUIET)
        assert len(rows(tmp_path / "parts")) == stop_at
    last = training(tmp_path / "parts", schedule, optimizer)
    assert last.run(Stop(), QUIET) == final
    for name, value in whole.learner.state_dict().items():
        assert torch.equal(value, last.learner.state_dict()[name]), name
    assert left(tmp_path / "whole") == left(tmp_path / "parts")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_learns_and_micro_batches_change_rounding_only(tmp_path: Path, optimizer: str) -> None:
    found = []
    for micro in (ROWS, 5):
        run = training(tmp_path / str(micro), "constant", optimizer, micro)
        drop = run.learner.encoder.get_submodule("drop")
        assert isinstance(drop, nn.Dropout)
        drop.p = 0.0
        run.run(Stop(), QUIET)
        found.append([row["loss"] for row in rows(tmp_path / str(micro))])
    assert found[0][-1] < found[0][0]
    assert found[0][:8] == pytest.approx(found[1][:8], rel=1e-3)


def test_the_second_optimizer_takes_over_where_it_is_told(tmp_path: Path) -> None:
    run = training(tmp_path, "cosine", "adamw+lbfgs")
    run.run(Stop(), QUIET)
    searched = ["evaluations" in row for row in rows(tmp_path)]
    assert searched == [False] * 24 + [True] * 6
    # The schedule has come to its end by then.
    assert rows(tmp_path)[23]["learning_rate"] == pytest.approx(0.01 * 0.1, rel=0.1)
    assert rows(tmp_path)[-1]["loss"] < 0.8 * rows(tmp_path)[23]["loss"]


def test_the_trace_of_a_controller_is_in_the_rows(tmp_path: Path) -> None:
    final = training(tmp_path, "pi", "adamw").run(Stop(), QUIET)
    assert final["set_point"] == 0.2
    for row in rows(tmp_path):
        assert row["ratio"] == row["gradient_norm"] / row["loss"]
        assert row["learning_rate"] == pytest.approx(0.01 * row["factor"])
        assert {"integral", "saturated", "set_point"} <= row.keys()


def test_samples_are_the_weights_after_their_steps(tmp_path: Path) -> None:
    training(tmp_path, "constant", "sgld").run(Stop(), QUIET)
    files = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert files == ["00000018.pt", "00000022.pt", "00000026.pt", "00000030.pt"]
