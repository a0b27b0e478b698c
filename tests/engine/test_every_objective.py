"""What holds for every objective with every encoder, present and to come.

Golden losses lie in golden/, a file for each objective. After a change that is meant to move them,
SSLKIT_GOLDEN=write makes them anew.
"""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from sslkit import catalog, rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.objective import PretrainingObjective
from sslkit.contracts.spec import Floats, Ids, token_ids
from sslkit.engine import runtime
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.loop import Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan, Work
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.errors import RequeueError
from sslkit.types import Array, Arrays

GOLDEN = Path(__file__).parent / "golden"
RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
QUIET = Console(quiet=True)
SIZE, ROWS, COLUMNS, STEPS = 11, 8, 20, 8
COUNTS = np.arange(1, SIZE + 1) * 7
SPEC = {
    "tokens": Ids(("length",), SIZE, overlap=1),
    "links": Ids(("length", "any"), 2),
    "sites": Ids(("length",), 50),
    "properties": Floats(("property",), (3,)),
}
TOKENS = token_ids(SPEC)
#: Small shapes, of settings that the encoder has.
SHAPE = {"blocks": 2, "width": 16, "heads": 2, "dropout": 0.0}
OBJECTIVES = [
    name
    for name in catalog.names("objective")
    if hasattr(module := catalog.load("objective", name), "BASELINE")
    and "points" not in module.NEEDS
]
ENCODERS = [n for n in catalog.names("model") if "tokens" in catalog.load("model", n).TAKES]


#: Pairs of segments, energies of noise and thinned rows change tokens, and links and sites go with
#: tokens: these objectives are for sequences.
SEQUENCES = {"clm", "denoise", "energy", "next-sentence", "sentence-order", "skipgram"}


def fits(name: str, model: str) -> bool:
    """Whether an objective is tried with an encoder."""
    return {"tokens"} == catalog.load("model", model).TAKES or name not in SEQUENCES


each = pytest.mark.parametrize("name", OBJECTIVES)
with_each = pytest.mark.parametrize(
    ("name", "model"), [(n, m) for n in OBJECTIVES for m in ENCODERS if fits(n, m)]
)


@pytest.fixture(autouse=True)
def _settled() -> None:
    # As a command has it, and whatever ran before in this process.
    runtime.prepare("cpu", 1, "fp32")


def example(step: int, rows: Array) -> Arrays:
    """A batch that holds all that any objective needs: sentences of a repeated pattern."""
    draws = rng.Counter(5, step, rows)
    start = (draws.uniform("start", 1) * SIZE).astype(np.int64)
    tokens = (start + np.arange(COLUMNS) // 2 * 3) % SIZE
    tokens[draws.uniform("strange", COLUMNS) < 0.05] = TOKENS.unknown
    length = np.where(rows % 3 == 1, COLUMNS // 2 + rows % 5, COLUMNS)
    padding = np.arange(COLUMNS) >= length[:, None]
    noise = (draws.uniform("noise", COLUMNS) * SIZE).astype(np.int64)
    corrupted = np.where(draws.uniform("noisy", COLUMNS) < 0.2, noise, tokens)
    boundary = draws.uniform("boundary", COLUMNS) < 0.3
    boundary[:, 0] = True
    view = np.where(padding, tokens, tokens[:, ::-1])
    for array in (tokens, corrupted, view):
        array[padding] = TOKENS.pad
    return {
        "tokens": tokens,
        "length": length,
        "links": chained(length),
        "view.links": chained(length),
        "sites": in_columns(rows),
        "view.sites": in_columns(rows),
        "corrupted": corrupted,
        "view.tokens": view,
        "view.length": length,
        "boundary": boundary & ~padding,
        "properties": np.stack([length, tokens[:, 0] * 40.0, tokens[:, 1] - 5.0], 1),
        "token_weight": 0.5 + draws.uniform("weight", COLUMNS),
    }


def chained(length: Array) -> Array:
    """Links of every token to those beside it, of two kinds."""
    column = np.arange(COLUMNS)
    before, behind = column - 1, column + 1
    found = np.stack(
        [np.where(column > 0, before * 2 + column % 2, -1), behind * 2 + behind % 2], 1
    )
    links = np.broadcast_to(found, (len(length), *found.shape))
    end = length[:, None, None]
    return np.where((links < 2 * end) & (column[:, None] < end), links, -1)


def in_columns(rows: Array) -> Array:
    """Sites of two families."""
    return np.arange(COLUMNS) + COLUMNS * (rows[:, None] % 2)


def objective_of(name: str) -> PretrainingObjective:
    module = catalog.load("objective", name)
    made: PretrainingObjective = module.Objective(module.Settings(), SPEC, COUNTS)
    return made


def learner_of(name: str, model: str) -> Learner:
    module, objective = catalog.load("model", model), catalog.load("objective", name)
    known = {field.name for field in fields(module.Settings)}
    shape = {key: value for key, value in SHAPE.items() if key in known}
    if "causal" in known and objective.CAUSAL is not None:
        shape["causal"] = objective.CAUSAL
    torch.manual_seed(3)
    return Learner(module.Model(module.Settings(**shape), SPEC), objective_of(name))


def batches(name: str, micro: int = ROWS) -> Callable[[int], list[Arrays]]:
    objective = objective_of(name)

    def made(step: int) -> list[Arrays]:
        rows = np.arange(step * ROWS, (step + 1) * ROWS)
        cut = [rows[at : at + micro] for at in range(0, ROWS, micro)]
        return [objective.prepare(example(step, r), rng.Counter(1, step, r)) for r in cut]

    return made


def training(folder: Path, name: str, model: str) -> Training:
    plan = Plan(
        steps=STEPS, learning_rate=0.01, warmup=2, weight_decay=0.01, clip=1.0,
        evaluate_every=STEPS, seed=1,
    )  # fmt: skip
    made = batches(name)
    work = Work(made, lambda learner: mean_losses(learner, made(99), World(), RUNTIME))
    folder.mkdir(exist_ok=True)
    learner = learner_of(name, model)
    return Training(learner, Rates({}), work, plan, RUNTIME, World(), RunFolder(folder))


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").open()]


def fingerprint() -> str:
    """Equal where this processor and library round as those did that made the golden losses."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(160, 16, generator=generator, requires_grad=True)
    weight = torch.randn(16, 64, generator=generator)
    y = functional.gelu(functional.layer_norm(x, (16,)) @ weight) @ weight.T
    z = functional.cross_entropy(y.tanh().exp() @ y.T.softmax(-1), torch.arange(160))
    z.backward()
    assert x.grad is not None
    return hashlib.sha256(x.grad.numpy().tobytes() + z.detach().numpy().tobytes()).hexdigest()[:16]


@each
def test_golden_losses(tmp_path: Path, name: str) -> None:
    found = {}
    for model in (one for one in ENCODERS if fits(name, one)):
        final = training(tmp_path / model, name, model).run(Stop(), QUIET)
        found[model] = [*losses(tmp_path / model), final["heldout_loss"]]
    held = GOLDEN / f"{name}.json"
    if os.environ.get("SSLKIT_GOLDEN") == "write":
        held.parent.mkdir(exist_ok=True)
        text = json.dumps({"fingerprint": fingerprint(), "losses": found}, indent=1)
        held.write_text(text + "\n")
    golden = json.loads(held.read_text())
    # Another processor rounds otherwise.
    exact = golden["fingerprint"] == fingerprint()
    for model, values in found.items():
        wanted = golden["losses"][model]
        assert values == (wanted if exact else pytest.approx(wanted, rel=2e-4)), model


@with_each
def test_resumed_to_the_bit(tmp_path: Path, name: str, model: str) -> None:
    whole = training(tmp_path / "whole", name, model)
    whole.run(Stop(), QUIET)
    for _ in range(2):
        part = training(tmp_path / "part", name, model)
        stop, made = Stop(), part.work.batches

        def heard(
            step: int, stop: Stop = stop, made: Callable[[int], list[Arrays]] = made
        ) -> list[Arrays]:
            if step == STEPS // 2 - 1:
                stop.hear(signal.SIGTERM, None)
            return made(step)

        part.work = Work(heard, part.work.evaluate)
        try:
            part.run(stop, QUIET)
        except RequeueError:
            assert losses(tmp_path / "part") == losses(tmp_path / "whole")[: STEPS // 2]
    assert losses(tmp_path / "part") == losses(tmp_path / "whole")
    for key, value in whole.learner.state_dict().items():
        assert torch.equal(value, part.learner.state_dict()[key]), key


@with_each
def test_gradients_are_those_of_finite_differences(name: str, model: str) -> None:
    learner = learner_of(name, model).double()
    generator = torch.Generator().manual_seed(2)
    (arrays,) = batches(name)(0)
    batch = {
        key: value.double() if value.is_floating_point() else value
        for key, value in to_device(arrays, RUNTIME).items()
    }
    moving = [p for p in learner.parameters() if p.requires_grad]
    with torch.no_grad():
        for p in moving:
            p.add_(0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    (loss,) = learner(batch).values()
    gradients = torch.autograd.grad(loss, moving, allow_unused=True)
    assert any(g is not None and bool(g.abs().max() > 0) for g in gradients)
    for p, gradient in zip(moving, gradients, strict=True):
        way = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        value = 0.0 if gradient is None else float((gradient * way).sum())
        step, sides = 1e-6, []
        with torch.no_grad():
            for sign in (1, -2):
                p.add_(sign * step * way)
                sides.append(float(sum(learner(batch).values())))
            p.add_(step * way)
        assert value == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4, abs=1e-4)


@each
def test_its_floor_is_a_loss_that_it_is_asked_to_beat(name: str) -> None:
    objective = objective_of(name)
    (batch,) = batches(name)(99)
    baseline = objective.baseline([batch])
    assert 0 < baseline < 10
    assert objective.baseline([batch, batch]) == pytest.approx(baseline)
    assert objective.count(batch)[name] > 0


@each
def test_what_is_prepared_depends_on_nothing_but_batch_and_draws(name: str) -> None:
    one, other = batches(name)(3), batches(name)(3)
    for first, second in zip(one, other, strict=True):
        assert first.keys() == second.keys()
        for key, array in first.items():
            np.testing.assert_array_equal(array, second[key])
