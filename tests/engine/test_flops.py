"""Operations of training against those that are counted by hand."""

import numpy as np
import pytest
import torch

from sslkit.contracts.spec import Ids, token_ids
from sslkit.engine import flops
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.models import skipgram, transformer
from sslkit.objectives import clm, mlm
from sslkit.types import Arrays

RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
SPEC = {"tokens": Ids(("length",), 11)}
TOKENS = token_ids(SPEC)
ROWS, LENGTH, WIDTH, BLOCKS = 4, 32, 16, 3


def batch(objective: "clm.Objective | mlm.Objective") -> Arrays:
    class Draws:
        def uniform(
            self, purpose: str, columns: int
        ) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
            return np.random.default_rng(0).random((ROWS, columns), np.float32)

    tokens = np.random.default_rng(1).integers(0, 11, (ROWS, LENGTH))
    return objective.prepare({"tokens": tokens, "length": np.full(ROWS, LENGTH)}, Draws())


def work(batches: list[Arrays]) -> Work:
    return Work(lambda _: batches, lambda _: {})


def test_next_tokens_cost_what_products_and_attention_cost() -> None:
    objective = clm.Objective(clm.Settings(), SPEC, np.arange(1, 12))
    shape = transformer.Settings(blocks=BLOCKS, width=WIDTH, heads=2, causal=True)
    learner = Learner(transformer.Model(shape, SPEC), objective)
    found = flops.per_token(learner, work([batch(objective)]), World(), RUNTIME)
    matrices = sum(
        p.numel() for n, p in learner.named_parameters() if p.ndim == 2 and "table" not in n
    )
    attention = BLOCKS * 2 * LENGTH * WIDTH
    scores = 11 * WIDTH
    assert found == pytest.approx(6 * (matrices + attention + scores), rel=0.15)


def test_a_head_that_is_asked_little_costs_little() -> None:
    shape = transformer.Settings(blocks=1, width=WIDTH, heads=2)
    found = []
    for rate in (0.1, 0.6):
        objective = mlm.Objective(mlm.Settings(rate=rate), SPEC, np.arange(1, 12))
        learner = Learner(transformer.Model(shape, SPEC), objective)
        found.append(flops.per_token(learner, work([batch(objective)]), World(), RUNTIME))
    assert found[0] < found[1]


def test_nothing_is_left_behind() -> None:
    objective = clm.Objective(clm.Settings(), SPEC, np.arange(1, 12))
    shape = transformer.Settings(blocks=1, width=WIDTH, heads=2, causal=True, dropout=0.5)
    learner = Learner(transformer.Model(shape, SPEC), objective).train()
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    flops.per_token(learner, work([batch(objective)]), World(), RUNTIME)
    assert learner.training
    assert learner.encoder.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in learner.parameters())
    assert all(torch.equal(value, before[n]) for n, value in learner.state_dict().items())


def test_without_batches_parameters_stand_in() -> None:
    objective = clm.Objective(clm.Settings(), SPEC, np.arange(1, 12))
    learner = Learner(skipgram.Model(skipgram.Settings(width=WIDTH), SPEC), objective)
    count = sum(p.numel() for p in learner.parameters())
    assert flops.per_token(learner, work([]), World(), RUNTIME) == 6 * count
