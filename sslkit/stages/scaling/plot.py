"""The picture of scaling: curves of all runs, the laws that were fitted, and the next doubling."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslkit import figures
from sslkit.analysis import stopping
from sslkit.analysis.curves import Curve
from sslkit.figures import LINE

#: Shades from light to dark, in the order of what the runs spent.
_LIGHT, _DARK = 0.75, 0.0
_PLACES = 80
_NAMES = {"tokens": "tokens read", "flops": "FLOPs spent", "parameters": "parameters"}


def png(found: Mapping[str, Sequence[Curve]], by: str) -> bytes:
    """A panel for each metric; ``figures.check`` comes before."""

    def paint(figure: Any) -> None:
        parts = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, (metric, panel) in zip(parts, found.items(), strict=True):
            _panel(axes, metric, panel, by)

    return figures.png(paint, 5.6 * len(found), 4.4, "scaling")


def _panel(axes: Any, metric: str, panel: Sequence[Curve], by: str) -> None:
    together = [c for c in panel if c.name in {"best of all runs", "ends of runs"}]
    single = [curve for curve in panel if curve not in together]
    order = sorted(range(len(single)), key=lambda place: float(single[place].spent[-1]))
    for rank, place in enumerate(order):
        share = rank / max(len(order) - 1, 1)
        shade = _LIGHT + (_DARK - _LIGHT) * share
        # From a light to a dark blue.
        _curve(axes, single[place], (0.12 + 0.7 * shade, 0.31 + 0.5 * shade, 0.47 + 0.4 * shade))
    for curve in together:
        _curve(axes, curve, LINE)
    name = metric.replace("heldout", "held-out").replace("_", " ")
    axes.set(xscale="log", title=name, xlabel=_NAMES[by], ylabel=name)
    axes.set_ylim(*_limits(panel))
    axes.legend(fontsize=7, frameon=False)
    axes.grid(alpha=0.25, linewidth=0.5, which="both")


def _curve(axes: Any, curve: Curve, colour: Any) -> None:
    """Points, the law up to twice the last one, and its interval there."""
    axes.plot(curve.spent, curve.value, ".", color=colour, markersize=4, label=curve.name)
    if curve.law is None:
        return
    last = float(curve.spent[-1])
    first = max(float(curve.spent[0]), stopping.BEGINNING * last)
    if curve.name == "best of all runs":
        first = float(curve.spent[0])
    within, beyond = np.geomspace(first, last, _PLACES), np.geomspace(last, 2 * last, 20)
    axes.plot(within, curve.law.curve(within), color=colour, linewidth=1)
    axes.plot(beyond, curve.law.curve(beyond), color=colour, linewidth=1, linestyle="--")
    held = curve.law.at(2 * last)
    axes.errorbar(
        [2 * last], [held.value], yerr=[[held.value - held.low], [held.high - held.value]],
        color=colour, fmt="o", markersize=3, capsize=2, linewidth=0.8,
        markerfacecolor="white",
    )  # fmt: skip


def _limits(panel: Sequence[Curve]) -> tuple[float, float]:
    """Room for all that was reached after the beginnings, and for what is forecast."""
    ends = []
    for curve in panel:
        kept = curve.spent >= stopping.BEGINNING / 4 * curve.spent[-1]
        ends += [float(curve.value[kept].min()), float(curve.value[kept].max())]
        if curve.law is not None:
            held = curve.law.at(2 * float(curve.spent[-1]))
            ends += [held.value, held.low, held.high]
    room = 0.08 * max(max(ends) - min(ends), 1e-6)
    return min(ends) - room, max(ends) + room
