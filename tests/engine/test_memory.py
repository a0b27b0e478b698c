"""What is foretold of memory against what the same watch sees at full size."""

from typing import Any

import numpy as np
import pytest
import torch

from sslkit import rng
from sslkit.engine import memory
from sslkit.engine.loop import Learner
from sslkit.engine.memory import Watch
from sslkit.engine.runtime import Runtime
from sslkit.models import conv, gru, transformer
from sslkit.objectives import clm, mlm
from sslkit.types import Arrays, TokenSpec

MODELS: dict[str, Any] = {"conv": conv, "gru": gru, "transformer": transformer}
SPEC = TokenSpec(300)
COLUMNS = 40


def batch(objective: Any, rows: int) -> Arrays:
    draws = rng.Counter(1, 0, np.arange(rows))
    tokens = (draws.uniform("tokens", COLUMNS) * SPEC.size).astype(np.int64)
    held: Arrays = objective.prepare({"tokens": tokens, "length": np.full(rows, COLUMNS)}, draws)
    return held


def learner(model: str, objective: Any, **more: Any) -> Learner:
    torch.manual_seed(1)
    shape = MODELS[model].Settings(blocks=3, width=16, causal=objective is clm, **more)
    return Learner(
        MODELS[model].Model(shape, SPEC), objective.Objective(objective.Settings(), SPEC)
    )


def test_the_watch_counts_what_is_alive() -> None:
    x = torch.randn(100, 100, requires_grad=True)
    watch = Watch()
    with watch.watching():
        y = (x * 2).relu()
        z = (y @ y).sum()
        z.backward()
        del y, z
    # The doubled one and relu's; relu's alone, until the product has two factors of it as gradients
    # and a sum of them.
    assert watch.peaks[0] == 2 * 40_000
    assert max(watch.peaks) == pytest.approx(4 * 40_000, abs=100)
    assert x.grad is not None


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("objective", [mlm, clm])
@pytest.mark.parametrize("model", MODELS)
def test_small_batches_tell_of_a_large_one(
    model: str, objective: Any, precision: str, checkpointing: bool
) -> None:
    torch.set_num_threads(1)
    made, runtime = learner(model, objective), Runtime(torch.device("cpu"), precision, 1)
    made.encoder.checkpointing = checkpointing
    rows = 50

    def small(count: int) -> Arrays:
        return batch(made.objective, count)

    size = memory.size_of(small(rows))
    found = memory.forecast(made, runtime, small, rows, accumulates=False, exchanged=False)
    watch = Watch()
    with watch.watching():
        with runtime.autocast():
            losses = made(memory.to_device(small(rows), runtime))
        torch.stack(list(losses.values())).sum().backward()
    assert found.peak(rows, size) - found.kept == pytest.approx(max(watch.peaks), rel=0.06)
    weights = sum(p.numel() for p in made.parameters()) * 4
    assert (found.parameters, found.kept) == (weights, 3 * weights)


def test_a_head_in_parts_is_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslkit.heads._SCORES", 2**17)
    test_small_batches_tell_of_a_large_one("gru", clm, "fp32", checkpointing=False)


def test_the_learner_is_left_as_it_was() -> None:
    made = learner("conv", mlm, norm="batch")
    before = {name: value.clone() for name, value in made.state_dict().items()}
    runtime = Runtime(torch.device("cpu"), "fp32", 1)
    memory.forecast(
        made,
        runtime,
        lambda rows: batch(made.objective, rows),
        9,
        accumulates=True,
        exchanged=False,
    )
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())
