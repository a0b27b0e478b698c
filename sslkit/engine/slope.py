"""The losses of a step and their gradient, as often as an optimizer asks for them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sslkit.engine.distributed import World
from sslkit.types import Arrays


@dataclass(frozen=True)
class Slope:
    """One step's micro-batches, as a function of the weights.

    Attributes:
        wrapped: the learner, perhaps shared with other processes.
        losses: of one micro-batch, summed over its terms.
        weights: factors of the losses, by name; 1 for others.
        batches: of this process.
        counts: terms of each loss in the batches of all processes.
        seed: of dropout; the same at every evaluation, so that all are of one function.
    """

    wrapped: nn.Module
    losses: Callable[[Arrays], Mapping[str, Tensor]]
    weights: Mapping[str, float]
    world: World
    batches: Sequence[Arrays]
    counts: Mapping[str, float]
    seed: int

    def evaluate(self) -> dict[str, float]:
        """The mean losses; leaves the gradient of their weighted sum with the parameters."""
        torch.manual_seed(self.seed)
        for parameter in self.wrapped.parameters():
            parameter.grad = None
        sums = dict.fromkeys(self.counts, 0.0)
        # DDP takes the mean over processes, and each sum is a part of the whole mean.
        share = {name: self.world.size / max(count, 1) for name, count in self.counts.items()}
        for number, (arrays, counts) in enumerate(self.world.passes(self.batches), 1):
            with self._quiet(number < len(self.batches)):
                losses = self.losses(arrays)
                parts = [
                    value * self.weights.get(name, 1.0) * share[name] * counts
                    for name, value in losses.items()
                ]
                torch.autograd.backward(torch.stack(parts).sum())
            for name, value in losses.items():
                sums[name] += float(value.detach()) * counts
        sums = self.world.all_reduce(sums)
        return {name: value / max(self.counts[name], 1) for name, value in sums.items()}

    def _quiet(self, more_to_come: bool) -> AbstractContextManager[object]:
        """Exchange gradients with the last micro-batch only."""
        if more_to_come and isinstance(self.wrapped, DistributedDataParallel):
            return self.wrapped.no_sync()
        return nullcontext()
