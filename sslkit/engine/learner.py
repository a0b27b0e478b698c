"""A model with its objective, as the loop trains it."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import Encoder
from sslkit.contracts.objective import Objective
from sslkit.engine import sharded
from sslkit.engine.adaptations import NONE, Adaptations
from sslkit.engine.runtime import Runtime
from sslkit.types import Arrays, Batch

#: The loss that adaptations add.
PENALTY = "penalty"


class Learner(nn.Module):
    """A model and what an objective adds to it; its forward gives the summed losses.

    Attributes:
        weights: factors of the losses, by name, where they are added up; 1 for others.
        adaptations: what keeps or moves what the encoder knows.
    """

    def __init__(
        self,
        encoder: Encoder,
        objective: Objective,
        weights: Mapping[str, float] | None = None,
        adaptations: Adaptations = NONE,
    ) -> None:
        super().__init__()
        self.adaptations = adaptations
        self.weights = dict(weights or {})
        self.encoder = encoder
        self.head = objective.head(encoder.width)
        self.objective = objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Each loss summed over its terms; in training what adaptations add to them as well."""
        losses = self.objective.losses(self.encoder, self.head, batch)
        if self.training and self.adaptations.penalises:
            losses = {**losses, PENALTY: self.adaptations.penalty(self, batch)}
        return losses

    def count(self, batch: Arrays) -> dict[str, float]:
        """Number of terms in each loss that ``forward`` gives in training."""
        counts = self.objective.count(batch)
        return {**counts, PENALTY: 1.0} if self.adaptations.penalises else counts

    def merge(self) -> None:
        """Make the encoder a plain one, with which nothing is trained any more."""
        self.encoder = self.adaptations.merge(self.encoder)
        self.adaptations = NONE

    def parts(self, *, keep: bool = True) -> dict[str, dict[str, Tensor]]:
        """Copies of the tensors of the plain encoder and of the head, as checkpoints hold them.

        Every process asks for them at once; what those get that do not ``keep`` them is of no use.
        """
        encoder = self.encoder
        if self.adaptations.merges:
            encoder = self.adaptations.merge(copy.deepcopy(encoder))
        own = {"encoder": encoder.state_dict(), "head": self.head.state_dict()}
        held = sharded.whole(own, keep=keep)
        return {
            name: {key: value.detach().cpu().clone() for key, value in part.items()}
            for name, part in held.items()
        }

    def total(self, losses: Mapping[str, float]) -> float:
        """The weighted sum of losses."""
        return sum(self.weights.get(name, 1.0) * value for name, value in losses.items())


def to_device(arrays: Arrays, runtime: Runtime) -> Batch:
    """Arrays as tensors where the model is."""
    found = {name: torch.from_numpy(a).to(runtime.device) for name, a in arrays.items()}
    if runtime.precision == "fp64":
        return {n: t.double() if t.is_floating_point() else t for n, t in found.items()}
    return found
