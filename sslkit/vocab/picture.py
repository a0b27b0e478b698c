"""A picture of a vocabulary: the histogram of its counts, and counts by rank (Zipf)."""

from typing import Any

import numpy as np

from sslkit import figures
from sslkit.figures import FAINT, INK, LINE
from sslkit.vocab.kmers.spectrum import Fit, Spectrum

_BINS = 64
_POINTS = 2000


def png(spectrum: Spectrum, title: str) -> bytes:
    """The picture as the bytes of a PNG file; ``figures.check`` comes before."""

    def paint(figure: Any) -> None:
        figure.suptitle(title, fontsize=11)
        left, right = figure.subplots(1, 2)
        _histogram(left, spectrum)
        _ranks(right, spectrum, spectrum.fit())

    return figures.png(paint, 10, 4.2, "build-vocab")


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
