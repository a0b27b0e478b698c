"""What an equation leaves over at points of its space, squared: physics-informed learning.

The field is derived by its coordinates with autograd; initial and boundary conditions, and values
that were observed, are asked for in least squares beside it (Raissi, Perdikaris & Karniadakis
2019, eq. 4). A loss is a pure function of batch and weights.

Where an error grows in time, what is wrong early is what counts: without that a field of another
past is learned (Wang, Sankaran & Perdikaris 2024). So a point at time t weighs exp(-2 growth t),
as in the energy estimate of the equation; the mean weight is 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from sslkit.contracts.spec import Spec, space
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"points", "conditions", "observations"})
CAUSAL = None
UNIT = "mean square"
BASELINE = "a field of zero"
#: Every step has the same batch, so that curvature can be learned from one step to the next.
FULL_BATCH = True


@dataclass(frozen=True)
class Settings(Weighted):
    """How the terms are weighed against each other."""

    conditions_weight: float = field(
        default=10.0, metadata={"help": "factor of initial and boundary conditions"}
    )
    observations_weight: float = field(default=10.0, metadata={"help": "factor of observed values"})

    growth: float | None = field(
        default=None,
        metadata={"help": "rate at which an error grows in time; none: what the equation says"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.growth is not None and not 0 <= self.growth < math.inf:
            raise ValueError(f"growth is at least 0, not {self.growth}")
        for name in ("conditions_weight", "observations_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is at least 0, not {getattr(self, name)}")


class Derivatives:
    """Values at points derived by coordinates; each gradient is made once.

    Args:
        points: [N, coordinates], which the values were made from and which have a gradient.
        names: of the coordinates.
    """

    def __init__(self, points: Tensor, names: Sequence[str]) -> None:
        self._points, self._names = points, tuple(names)
        # The values are kept with what was made of them: a number of an object that is gone
        # would be given to another one.
        self._made: dict[int, tuple[Tensor, dict[str, Tensor]]] = {}

    def __call__(self, values: Tensor, name: str) -> Tensor:
        """The derivative of values [N] by a coordinate, [N]; 0 where they do not depend on it."""
        if id(values) not in self._made:
            slopes = torch.zeros_like(self._points)
            if values.requires_grad:
                (slopes,) = torch.autograd.grad(
                    values.sum(), self._points, create_graph=True, materialize_grads=True
                )
            self._made[id(values)] = (
                values,
                dict(zip(self._names, slopes.unbind(1), strict=True)),
            )
        return self._made[id(values)][1][name]


class Objective:
    """What one equation leaves over; implements ``contracts.objective.PretrainingObjective``."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        del counts  # there is no vocabulary
        self.settings = settings
        self.space = space(spec)
        self.growth = self.space.growth if settings.growth is None else settings.growth

    @property
    def terms(self) -> dict[str, float]:
        """The factor of each loss."""
        return {
            "residual": 1.0,
            "conditions": self.settings.conditions_weight,
            "observations": self.settings.observations_weight,
        }

    def head(self, width: int) -> nn.Module:
        """The field's value, of a hidden state: [..., width] to [..., 1]."""
        head = nn.Linear(width, 1)
        nn.init.xavier_normal_(head.weight)
        nn.init.zeros_(head.bias)
        return head

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """The batch itself: what is asked stands in it, and nothing is random."""
        del draws
        return batch

    def count(self, batch: Arrays) -> dict[str, float]:
        """The points of each kind."""
        places = {"residual": "points", "conditions": "conditions", "observations": "observations"}
        return {name: float(len(batch[place])) for name, place in places.items()}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squares summed over the points of each kind."""
        left = self.residual(encoder, head, batch["points"])
        found = {"residual": (self.weights(batch["points"]) * left.square()).sum()}
        for name, values in (
            ("conditions", "condition_values"),
            ("observations", "observation_values"),
        ):
            error = self.values(encoder, head, batch[name]) - batch[values]
            found[name] = error.square().sum()
        return found

    def values(self, encoder: nn.Module, head: nn.Module, points: Tensor) -> Tensor:
        """The field at points, [N, coordinates] to [N]."""
        found: Tensor = head(encoder({"points": points}).values)
        return found[:, 0]

    def residual(self, encoder: nn.Module, head: nn.Module, points: Tensor) -> Tensor:
        """What the equation leaves over at points, [N, coordinates] to [N]."""
        # Where a loss is only looked at, the coordinates have gradients all the same.
        with torch.enable_grad():
            places = points.detach().requires_grad_()
            values = self.values(encoder, head, places)
            return self.space.residual(values, Derivatives(places, self.space.coordinates))

    def weights(self, points: Tensor) -> Tensor:
        """How much each point counts, [N]; 1 in the mean over the space."""
        begin, end = self.space.low[-1], self.space.high[-1]
        rate = 2 * self.growth * (end - begin)
        mean = -math.expm1(-rate) / rate if rate else 1.0
        return torch.exp(-rate * (points[:, -1] - begin) / (end - begin)) / mean

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """The loss of a field that is 0 everywhere."""
        total = dict.fromkeys(self.terms, 0.0)
        counts = dict.fromkeys(self.terms, 0.0)
        for batch in batches:
            places = torch.from_numpy(batch["points"]).requires_grad_()
            zero = 0.0 * places.sum(1)
            left = self.space.residual(zero, Derivatives(places, self.space.coordinates))
            total["residual"] += float((self.weights(places) * left.square()).sum().detach())
            total["conditions"] += float(np.square(batch["condition_values"]).sum())
            total["observations"] += float(np.square(batch["observation_values"]).sum())
            for name, count in self.count(batch).items():
                counts[name] += count
        if not counts["residual"]:
            return math.nan
        return sum(f * total[n] / max(counts[n], 1.0) for n, f in self.terms.items())
