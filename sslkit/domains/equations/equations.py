"""Partial differential equations of one space coordinate x and time t, a small function each.

A residual takes the values of a field and a function that derives by a coordinate's name, so it
says the same for tensors under autograd and for formulas of exact solutions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.contracts.spec import Derivative

if TYPE_CHECKING:
    import torch

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Equation:
    """An equation with its problem, as the literature poses it.

    Attributes:
        low, high: ends of x and of t.
        viscosity: the factor of the second derivative where nothing else is asked for.
        boundary: the value at both ends of x; None where they are one place.
        residual: what is left over at a viscosity, of values and derivatives.
        growth: the rate at which a small error grows, where it grows fastest.
        initial: values [N] at the places x [N] where time begins.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    viscosity: float
    boundary: float | None
    growth: float
    residual: "Callable[[torch.Tensor, Derivative, float], torch.Tensor]"
    initial: Callable[[Floats], Floats]


def burgers(u: "torch.Tensor", d: Derivative, viscosity: float) -> "torch.Tensor":
    """u_t + u u_x - viscosity u_xx."""
    slope = d(u, "x")
    return d(u, "t") + u * slope - viscosity * d(slope, "x")


def allen_cahn(u: "torch.Tensor", d: Derivative, viscosity: float) -> "torch.Tensor":
    """u_t - viscosity u_xx + 5 u^3 - 5 u."""
    return d(u, "t") - viscosity * d(d(u, "x"), "x") + 5 * (u * u - 1) * u


#: As in Raissi, Perdikaris & Karniadakis 2019, section 3.1.1 and eq. 12.
EQUATIONS = {
    "burgers": Equation(
        low=(-1.0, 0.0),
        high=(1.0, 1.0),
        viscosity=0.01 / np.pi,
        boundary=0.0,
        growth=0.0,
        residual=burgers,
        initial=lambda x: -np.sin(np.pi * x),
    ),
    "allen-cahn": Equation(
        low=(-1.0, 0.0),
        high=(1.0, 1.0),
        viscosity=1e-4,
        boundary=None,
        growth=5.0,
        residual=allen_cahn,
        initial=lambda x: x**2 * np.cos(np.pi * x),
    ),
}
