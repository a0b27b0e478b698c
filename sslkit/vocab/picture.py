"""A picture of a vocabulary: the histogram of its counts, and counts by rank (Zipf).

The bytes follow from the spectrum alone (and the version of matplotlib): the style is
matplotlib's own, whatever the user's is, and nothing tells the time.
"""

import importlib
import importlib.util
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from sslkit.errors import UsageError
from sslkit.vocab.spectrum import Fit, Spectrum

_BINS = 64
_POINTS = 2000
#: Colours that the pictures have in common: of what counts, of what lies behind, of a line over it.
INK, FAINT, LINE = "#1f4e79", "#9db8d2", "#c0504d"


def check() -> None:
    """See that matplotlib is there, without the memory that it takes.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs an extra package", do="pip install 'sslkit[plot]'")


def png(spectrum: Spectrum, title: str) -> bytes:
    """The picture as the bytes of a PNG file; ``check`` comes before."""

    def paint(axes: Any) -> None:
        _histogram(axes[0], spectrum)
        _ranks(axes[1], spectrum, spectrum.fit())

    return framed(title, 2, paint)


def framed(title: str, panels: int, paint: Callable[[Any], None]) -> bytes:
    """The bytes of a PNG file with panels side by side; ``check`` comes before.

    Args:
        paint: draws on the axes of matplotlib that it is given, one for each panel.
    """
    matplotlib = importlib.import_module("matplotlib")
    figures = importlib.import_module("matplotlib.figure")
    canvases = importlib.import_module("matplotlib.backends.backend_agg")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = figures.Figure(figsize=(5 * panels, 4.2), dpi=150, layout="constrained")
        canvases.FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=11)
        paint(figure.subplots(1, panels, squeeze=False)[0])
        made = io.BytesIO()
        figure.savefig(made, format="png", metadata={"Software": None})
    return made.getvalue()


def _histogram(axes: Any, spectrum: Spectrum) -> None:
    bins = spectrum.bins(_BINS)
    axes.bar(
        bins.edges[:-1], bins.tokens, np.diff(bins.edges), align="edge",
        color=FAINT, edgecolor=INK, linewidth=0.6,
    )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlim=(bins.edges[0] / 1.1, bins.edges[-1] * 1.1),
        ylim=(0.7, bins.tokens.max() * 1.6), title="Histogram of counts",
        xlabel="count of a token", ylabel="tokens in a bin",
    )  # fmt: skip


def _ranks(axes: Any, spectrum: Spectrum, fit: Fit | None) -> None:
    ranks = spectrum.ranks(_POINTS)
    counts = spectrum.at(ranks)
    axes.plot(ranks, counts, color=INK, linewidth=1.5, label="tokens")
    if fit is not None:
        ends = np.array([fit.first, fit.last])
        axes.plot(
            ends, fit.scale * ends**fit.slope, color=LINE, linewidth=1, linestyle="--",
            label=f"slope {fit.slope:.2f}, least squares over ranks {fit.first:,} to "
            f"{fit.last:,}\n(R² = {fit.explained:.3f})",
        )  # fmt: skip
        axes.legend(loc="lower left", fontsize=8, frameon=False)
    axes.set(
        xscale="log", yscale="log", title="Count by rank",
        xlabel="rank of a token", ylabel="count of a token",
        xlim=(0.8, ranks[-1] * 1.25), ylim=(counts[-1] / 1.5, counts[0] * 1.5),
    )  # fmt: skip
    axes.grid(alpha=0.25, linewidth=0.5)
