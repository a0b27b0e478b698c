"""The picture of scaling: curves of all runs, the fitted laws, and forecasts of a doubling."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslkit import figures
from sslkit.analysis import stopping
from sslkit.analysis.curves import Curve
from sslkit.figures import LINE

#: Shades from light to dark, in the order of what the runs spent.
_LIGHT, _DARK = 0.75, 0.0
#: Points of a drawn law.
_POINTS = 80
_NAMES = {"tokens": "tokens read", "flops": "FLOPs spent", "parameters": "parameters"}


def png(panels: Mapping[str, Sequence[Curve]], by: str) -> bytes:
    """A picture with a panel for each metric; call ``figures.check`` before."""

    def paint(figure: Any) -> None:
        columns = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (metric, panel) in zip(columns, panels.items(), strict=True):
            _panel(axes, metric, panel, by)

    return figures.png(paint, 5.6 * len(panels), 4.4, "scaling")


def _panel(axes: Any, metric: str, panel: Sequence[Curve], by: str) -> None:
    of_all = [c for c in panel if c.name in {"best of all runs", "ends of runs"}]
    of_runs = [curve for curve in panel if curve not in of_all]
    for rank, curve in enumerate(sorted(of_runs, key=lambda curve: float(curve.spent[-1]))):
        share = rank / max(len(of_runs) - 1, 1)
        shade = _LIGHT + (_DARK - _LIGHT) * share
        # From a light to a dark blue.
        _curve(axes, curve, (0.12 + 0.7 * shade, 0.31 + 0.5 * shade, 0.47 + 0.4 * shade))
    for curve in of_all:
        _curve(axes, curve, LINE)
    name = metric.replace("heldout", "held-out").replace("_", " ")
    axes.set(xscale="log", title=name, xlabel=_NAMES[by], ylabel=name)
    axes.set_ylim(*_limits(panel))
    axes.legend(fontsize=7, frameon=False)
    axes.grid(alpha=0.25, linewidth=0.5, which="both")


def _curve(axes: Any, curve: Curve, colour: Any) -> None:
    """Draw points, the law up to twice the last one, and its interval there."""
    axes.plot(curve.spent, curve.value, ".", color=colour, markersize=4, label=curve.name)
    if curve.law is None:
        return
    last = float(curve.spent[-1])
    first = max(float(curve.spent[0]), stopping.BEGINNING * last)
    if curve.name == "best of all runs":
        first = float(curve.spent[0])
    within, beyond = np.geomspace(first, last, _POINTS), np.geomspace(last, 2 * last, 20)
    axes.plot(within, curve.law.curve(within), color=colour, linewidth=1)
    axes.plot(beyond, curve.law.curve(beyond), color=colour, linewidth=1, linestyle="--")
    doubled = curve.law.at(2 * last)
    below, above = doubled.value - doubled.low, doubled.high - doubled.value
    axes.errorbar(
        [2 * last], [doubled.value], yerr=[[below], [above]], color=colour, fmt="o",
        markersize=3, capsize=2, linewidth=0.8, markerfacecolor="white",
    )  # fmt: skip


def _limits(panel: Sequence[Curve]) -> tuple[float, float]:
    """Limits of the axis: all values after the beginnings of runs, and forecasts."""
    ends = []
    for curve in panel:
        later = curve.value[curve.spent >= stopping.BEGINNING / 4 * curve.spent[-1]]
        ends += [float(later.min()), float(later.max())]
        if curve.law is not None:
            doubled = curve.law.at(2 * float(curve.spent[-1]))
            ends += [doubled.value, doubled.low, doubled.high]
    margin = 0.08 * max(max(ends) - min(ends), 1e-6)
    return min(ends) - margin, max(ends) + margin
