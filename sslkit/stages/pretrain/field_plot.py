"""The values of a learned field, and pretrain --plot: its picture beside the checkpoint."""

import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from sslkit.contracts.domain import FieldDomain
from sslkit.contracts.spec import space
from sslkit.engine.learner import Learner
from sslkit.engine.runtime import Runtime
from sslkit.stages.pretrain import solution_plot
from sslkit.stages.pretrain.choice import Chosen
from sslkit.types import Reference

NAME = "solution.png"
_PLACES, _TIMES = 257, 101
_AT_ONCE = 2**16


def values(
    learner: Learner, points: npt.NDArray[np.float64], runtime: Runtime
) -> npt.NDArray[np.float64]:
    """The field at points, [N, coordinates] to [N]."""
    places = torch.from_numpy(points).to(runtime.device, runtime.dtype)
    cut = [places[at : at + _AT_ONCE] for at in range(0, len(places), _AT_ONCE)]
    with torch.no_grad():
        parts = [learner.head(learner.encoder({"points": some}).values)[:, 0] for some in cut]
    found: npt.NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
    return found


def draw(
    learner: Learner,
    chosen: Chosen[FieldDomain],
    reference: Reference | None,
    runtime: Runtime,
) -> bytes:
    """A PNG file of the solution, on the grid of the reference where there is one."""
    _, _, settings = chosen.plugins["domain"]
    points = space(chosen.domain.spec)
    grid = reference
    if grid is None:
        first, second = (
            np.linspace(low, high, size)
            for low, high, size in zip(points.low, points.high, (_PLACES, _TIMES), strict=True)
        )
        grid = Reference("", first, second, np.zeros((_PLACES, _TIMES)))
    found = values(learner, grid.points, runtime).reshape(grid.values.shape)
    title = f"{settings.equation}, viscosity {settings.viscosity:.6g}"
    if reference is not None:
        wanted = reference.values
        error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        title += f", relative L2 error {error:.1e}"
    return solution_plot.png(dataclasses.replace(grid, values=found), reference, title)
