"""A partial differential equation: no records, but points at which it holds.

A field is learned from what the equation leaves over at points inside (Latin hypercube, McKay et
al. 1979), from its initial and boundary conditions and, where there are any, from observations.
The points are a function of the seed alone and the same at every step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.spec import Derivative, Points, Spec
from sslkit.domains.equations import solutions
from sslkit.domains.equations.equations import EQUATIONS
from sslkit.types import Arrays, Reference

if TYPE_CHECKING:
    import torch

VERSION = 1
GIVES = frozenset({"points", "conditions", "observations"})
USUAL = {
    "objective": "residual",
    "model": "field",
    "steps": 2000,
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "clip": 0.0,
    # bf16 has no room for second derivatives.
    "precision": "fp32",
}
_HELDOUT_SEED = 0


@dataclass(frozen=True)
class Settings:
    """The problem, and where it is looked at."""

    equation: Literal["burgers", "allen-cahn"] = field(
        default="burgers", metadata={"help": "u(x, t), x from -1 to 1, t from 0 to 1"}
    )
    viscosity: float | None = field(
        default=None,
        metadata={"help": "factor of u_xx; none: 0.01/pi for burgers, 1e-4 for allen-cahn"},
    )
    points: int = field(default=10_000, metadata={"help": "points at which the equation holds"})
    conditions: int = field(
        default=400, metadata={"help": "points of the initial and boundary conditions together"}
    )
    observations: str | None = field(
        default=None, metadata={"help": "CSV or Parquet table of measured values: x, t, u"}
    )
    reference: str | None = field(
        default=None, metadata={"help": "MAT-file with the solution on a grid, to be judged by"}
    )

    def __post_init__(self) -> None:
        if self.viscosity is None:
            object.__setattr__(self, "viscosity", EQUATIONS[self.equation].viscosity)
        if self.viscosity is None or not 0 < self.viscosity < math.inf:
            raise ValueError(f"viscosity is above 0, not {self.viscosity}")
        if self.points < 1:
            raise ValueError(f"points is at least 1, not {self.points}")
        if self.conditions < 2:
            raise ValueError(f"conditions is at least 2, not {self.conditions}")


class Domain:
    """An equation with its problem; implements ``contracts.domain.FieldDomain``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._equation = EQUATIONS[settings.equation]

    @property
    def spec(self) -> Spec:
        """The space and its equation."""
        equation = self._equation
        space = Points(
            axes=("coordinate",),
            shape=(2,),
            coordinates=("x", "t"),
            low=equation.low,
            high=equation.high,
            periodic=(equation.boundary is None, False),
            residual=self._residual,
            growth=equation.growth,
        )
        return dict.fromkeys(("points", "conditions", "observations"), space)

    def _residual(self, values: "torch.Tensor", d: Derivative) -> "torch.Tensor":
        return self._equation.residual(values, d, self.settings.viscosity or 0.0)

    @property
    def files(self) -> Sequence[Path]:
        """Observations and reference, where they are given."""
        named = (self.settings.observations, self.settings.reference)
        return [Path(name) for name in named if name]

    def batch(self, seed: int, part: str) -> Arrays:
        """Points, conditions and observations of a part; see ``contracts.domain.FieldDomain``.

        What is held out is the same for every seed. Of the conditions half are initial values,
        all of them where the two ends of x are one place.
        """
        settings, equation = self.settings, self._equation
        key = int(rng.key(_HELDOUT_SEED if part == "heldout" else seed, "physics", part))
        draw = np.random.default_rng(key)
        low, high = np.array(equation.low), np.array(equation.high)
        points = low + (high - low) * hypercube(draw, settings.points, 2)
        edges = 0 if equation.boundary is None else settings.conditions // 2
        first = low + (high - low) * hypercube(draw, settings.conditions - edges, 2)
        first[:, 1] = low[1]
        edge = low + (high - low) * hypercube(draw, edges, 2)
        edge[:, 0] = np.where(np.arange(edges) % 2, high[0], low[0])
        given = np.full(edges, equation.boundary or 0.0)
        held = np.empty((0, 3))
        if settings.observations and part == "train":
            path = Path(settings.observations)
            held = solutions.observations(path, equation.low, equation.high)
        return {
            "points": points,
            "conditions": np.concatenate([first, edge]),
            "condition_values": np.concatenate([equation.initial(first[:, 0]), given]),
            "observations": held[:, :2],
            "observation_values": held[:, 2],
        }

    def reference(self) -> Reference | None:
        """The solution of a MAT-file; None where none is named.

        Raises:
            DataError: it cannot be read, or is of another space.
        """
        name, equation = self.settings.reference, self._equation
        return solutions.reference(Path(name), equation.low, equation.high) if name else None


def hypercube(draw: np.random.Generator, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Points of the unit cube, [rows, columns], one in each of ``rows`` slices of every side."""
    slices = draw.permuted(np.tile(np.arange(rows)[:, None], (1, columns)), axis=0)
    found: npt.NDArray[np.float64] = (slices + draw.random((rows, columns))) / max(1, rows)
    return found
