"""The picture of contacts: predictions of two methods over the contacts of a structure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslkit import figures
from sslkit.figures import FAINT, INK, LINE
from sslkit.probes.contacts import SEPARATION, Floats, Truth

_COLUMNS = 4
#: Inches of one panel.
_SIZE = 3.4


@dataclass(frozen=True)
class Panel:
    """One family: scores [L, L] of two methods, the first above the diagonal."""

    name: str
    truth: Truth
    above: tuple[str, Floats]
    below: tuple[str, Floats]


def png(panels: Sequence[Panel]) -> bytes:
    """A picture with a map for each family; call ``figures.check`` before."""
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)

    def paint(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _paint(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        above, below = panels[0].above[0], panels[0].below[0]
        figure.suptitle(f"above the diagonal: {above}; below: {below}", fontsize=9)
        figure.legend(
            *grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
        )

    return figures.png(paint, _SIZE * columns, _SIZE * rows + 0.5, "probe")


def best(scores: Floats, truth: Truth) -> tuple[Any, Any]:
    """The L best pairs at least ``SEPARATION`` apart, L the length; first and second residue."""
    first, second = truth.pairs(SEPARATION)
    order = np.argsort(-scores[first, second], kind="stable")[: len(scores)]
    return first[order], second[order]


def _paint(axes: Any, panel: Panel) -> None:
    length = len(panel.truth.contact)
    apart = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    size = (180 / length) ** 2 / 2
    rows, columns = np.nonzero(panel.truth.contact & (apart >= SEPARATION))
    axes.scatter(columns + 1, rows + 1, s=3 * size, color=FAINT, linewidths=0, label="contact")
    for (_, scores), is_above in ((panel.above, True), (panel.below, False)):
        first, second = best(scores, panel.truth)
        right = panel.truth.contact[first, second]
        x, y = (second, first) if is_above else (first, second)
        for kind, colour, name in ((right, INK, "predicted, right"), (~right, LINE, "wrong")):
            label = name if is_above else None
            axes.scatter(x[kind] + 1, y[kind] + 1, s=size, color=colour, linewidths=0, label=label)
    axes.plot([1, length], [1, length], color="0.8", linewidth=0.8)
    axes.set_title(panel.name, fontsize=9)
    axes.set(xlim=(0, length + 1), ylim=(length + 1, 0), aspect="equal")
    axes.tick_params(labelsize=7)
