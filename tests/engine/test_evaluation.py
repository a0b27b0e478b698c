"""The held-out loss: a mean over all terms, the same in any number of processes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import Encoder, States
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner
from sslkit.engine.runtime import Runtime
from sslkit.types import Arrays, Batch, Draws


class Doubling(Encoder):
    width, depth = 1, 0

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        return []

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        assert not self.training
        assert not torch.is_grad_enabled()
        return States(2 * batch["tokens"], None)


class Summing:
    """Two losses: of the numbers themselves, and of how many there are."""

    def head(self, width: int) -> nn.Module:
        return nn.Identity()

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        return batch

    def count(self, batch: Arrays) -> dict[str, float]:
        return {"sum": float(len(batch["tokens"]))}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"sum": encoder(batch).values.sum()}


def batches(*values: list[float]) -> list[dict[str, Any]]:
    return [{"tokens": np.array(v), "length": np.ones(len(v), np.int64)} for v in values]


class Half(World):
    """One of two processes; remembers what it gave."""

    def all_reduce(self, values: Any) -> dict[str, float]:
        given.append(dict(values))
        return dict(values)


given: list[dict[str, float]] = []
RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)


def test_mean_over_terms_not_over_batches() -> None:
    learner = Learner(Doubling(), Summing())
    learner.train()
    found = mean_losses(learner, batches([1.0, 2.0, 3.0], [10.0]), World(), RUNTIME)
    assert found == {"heldout_loss": pytest.approx(2 * 16 / 4)}
    assert learner.training
    assert learner.encoder.training


def test_processes_share_the_batches() -> None:
    learner = Learner(Doubling(), Summing())
    given.clear()
    for rank in range(3):
        mean_losses(learner, batches([1.0], [2.0], [3.0, 4.0], [5.0]), Half(rank, 3), RUNTIME)
    found = [(total["loss sum"], total["count sum"]) for total in given]
    assert found == [(12, 2), (4, 1), (14, 2)]


def test_more_processes_than_batches() -> None:
    learner = Learner(Doubling(), Summing())
    given.clear()
    mean_losses(learner, batches([1.0]), Half(1, 2), RUNTIME)
    assert given == [{"loss sum": 0, "count sum": 0}]
