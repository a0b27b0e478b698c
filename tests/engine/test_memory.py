"""What is estimated of memory against what the same watch sees at full size."""

from typing import Any

import numpy as np
import pytest
import torch

from sslkit import rng
from sslkit.contracts.spec import Ids, token_ids
from sslkit.engine import memory
from sslkit.engine.loop import Learner
from sslkit.engine.memory import Watch
from sslkit.engine.runtime import Runtime
from sslkit.models import conv, gru, transformer
from sslkit.objectives import clm, mlm
from sslkit.types import Arrays

MODELS: dict[str, Any] = {"conv": conv, "gru": gru, "transformer": transformer}
SPEC = {"tokens": Ids(("length",), 300)}
TOKENS = token_ids(SPEC)
COLUMNS = 40


def batch(objective: Any, rows: int) -> Arrays:
    draws = rng.Counter(1, 0, np.arange(rows))
    tokens = (draws.uniform("tokens", COLUMNS) * TOKENS.size).astype(np.int64)
    held: Arrays = objective.prepare({"tokens": tokens, "length": np.full(rows, COLUMNS)}, draws)
    return held


def learner(model: str, objective: Any, **more: Any) -> Learner:
    torch.manual_seed(1)
    shape = MODELS[model].Settings(blocks=3, width=16, causal=objective is clm, **more)
    return Learner(
        MODELS[model].Model(shape, SPEC), objective.Objective(objective.Settings(), SPEC)
    )


@pytest.fixture(autouse=True)
def no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What products leave behind is there before the second step."""
    monkeypatch.setattr(memory, "product_code", lambda _runtime: 0)


def test_the_watch_counts_what_is_alive() -> None:
    x = torch.randn(100, 100, requires_grad=True)
    watch = Watch()
    with watch.watching():
        y = (x * 2).relu()
        z = (y @ y).sum()
        z.backward()
        del y, z
    # Relu's alone, until the product has two factors of it as gradients and a sum of them.
    assert memory.most(np.array(watch.course)) == pytest.approx(4 * 40_000, abs=100)
    assert watch.course[:3] == [40_000, 40_000, -1]
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
    found = memory.forecast(made, runtime, small, rows, exchanged=False)
    watch = Watch()
    with watch.watching():
        with runtime.autocast():
            losses = made(memory.to_device(small(rows), runtime))
        torch.stack(list(losses.values())).sum().backward()
    weights = sum(p.numel() for p in made.parameters()) * 4
    assert found.parameters == weights
    # The second step has the moments beside it.
    told = memory.most(found.course(rows, size, accumulates=False))
    assert told - 3 * weights == pytest.approx(memory.most(np.array(watch.course)), rel=0.06)


def test_gradients_that_wait_and_that_are_exchanged_are_counted() -> None:
    made, runtime = learner("gru", mlm), Runtime(torch.device("cpu"), "fp32", 1)
    weights = sum(p.numel() for p in made.parameters()) * 4

    def told(*, accumulates: bool, exchanged: bool) -> int:
        found = memory.forecast(
            made, runtime, lambda rows: batch(made.objective, rows), 9, exchanged=exchanged
        )
        return memory.most(found.course(9, 9000.0, accumulates=accumulates))

    alone = told(accumulates=False, exchanged=False)
    assert told(accumulates=False, exchanged=True) == alone + weights
    assert alone < told(accumulates=True, exchanged=False) <= alone + weights


def test_a_head_in_parts_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslkit.objectives._heads._SCORES", 2**17)
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
        exchanged=False,
    )
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())


def test_what_the_first_product_of_a_shape_leaves_stays() -> None:
    x, watch = torch.randn(9, 9), Watch(product=500)
    with watch.watching():
        for _ in range(3):
            x @ x
    assert watch.course == [324, 500, -1, 324, -3, 324, -4]
    assert watch.lasting == {1}
