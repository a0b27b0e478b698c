"""A picture of a field u(x, t): its map, and slices at three times beside a reference."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit import figures
from sslkit.figures import INK, LINE
from sslkit.types import Reference

_SLICES = 3


def png(found: Reference, reference: Reference | None, title: str) -> bytes:
    """The picture as the bytes of a PNG file; ``figures.check`` comes before.

    Args:
        found: the field on a grid of x and t.
        reference: on the same grid, where there is one.
    """

    def paint(figure: Any) -> None:
        figure.suptitle(title, fontsize=11)
        grid = figure.add_gridspec(2, _SLICES, height_ratios=(1.1, 1))
        _map(figure, figure.add_subplot(grid[0, :]), found)
        low, high = _ends(found.values if reference is None else reference.values)
        shown = slices(len(found.second))
        for place, column in enumerate(shown):
            axes = figure.add_subplot(grid[1, place])
            if reference is not None:
                wanted = reference.values[:, column]
                axes.plot(reference.first, wanted, color=INK, linewidth=2, label="reference")
            style = "-" if reference is None else "--"
            learned = found.values[:, column]
            axes.plot(found.first, learned, style, color=LINE, linewidth=1.2, label="learned")
            axes.set(title=f"t = {found.second[column]:.2f}", xlabel="x", ylim=(low, high))
            axes.grid(alpha=0.25, linewidth=0.5)
            if place == 0:
                axes.set_ylabel("u(x, t)")
                axes.legend(loc="best", fontsize=8, frameon=False)

    return figures.png(paint, 10, 6.2, "pretrain")


def slices(columns: int) -> list[int]:
    """At a quarter, a half and three quarters of the times, [3]."""
    return [round((place + 1) / (_SLICES + 1) * (columns - 1)) for place in range(_SLICES)]


def _map(figure: Any, axes: Any, found: Reference) -> None:
    largest = float(np.abs(found.values).max()) or 1.0
    drawn = axes.pcolormesh(
        found.second, found.first, found.values, cmap="RdBu_r", vmin=-largest, vmax=largest,
        shading="gouraud", rasterized=True,
    )  # fmt: skip
    for column in slices(len(found.second)):
        axes.axvline(found.second[column], color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="t", ylabel="x", title="u(x, t)")
    figure.colorbar(drawn, ax=axes, pad=0.01)


def _ends(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.1
    return low - room, high + room
