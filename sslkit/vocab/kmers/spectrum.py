"""How many tokens of a vocabulary have which count, and how counts fall with rank (Zipf).

Everything follows from the counts that occur and how many tokens have each of them. Those are few
even where tokens are many, so a table of any length is read in pieces.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

#: Bins in an octave, the finest first.
_FINENESS = (8, 4, 2, 1)
#: Counts that a bin must hold, so that rounding to whole counts does not show.
_WIDTH = 4
#: A line is a fair description of ranks over two decades at least, if it explains this much.
_DECADES, _EXPLAINED = 2.0, 0.98
#: Rarer tokens stand on steps that no line describes.
_FREQUENT = 5
_FIT_POINTS = 200


@dataclass(frozen=True)
class Bins:
    """Tokens by count.

    Attributes:
        edges: a bin holds the counts from its edge up to and without the next, [bins + 1].
        tokens: distinct tokens in each bin, [bins].
        mass: the sum of their counts, [bins].
    """

    edges: Counts
    tokens: Counts
    mass: Counts


@dataclass(frozen=True)
class Fit:
    """count = scale * rank ** slope, by least squares of logarithms at ranks evenly spaced in them.

    Attributes:
        first, last: the ranks between which it was fitted.
        explained: the coefficient of determination.
    """

    slope: float
    scale: float
    first: int
    last: int
    explained: float


@dataclass(frozen=True)
class Spectrum:
    """Counts that occur, highest first, and how many tokens have each of them; none is 0."""

    values: Counts
    tokens: Counts

    def bins(self, most: int) -> Bins:
        """Bins of equal width on the scale of the logarithm, no more than ``most`` of octaves."""
        low, high = int(self.values[-1]), int(self.values[0])
        edges = np.empty(0, np.int64)
        for fineness in _FINENESS:
            first = int(np.floor(np.log2(low) * fineness))
            last = int(np.floor(np.log2(high) * fineness)) + 1
            edges = np.round(2.0 ** (np.arange(first, last + 1) / fineness)).astype(np.int64)
            if len(edges) <= most + 1 and low * (2 ** (1 / fineness) - 1) >= _WIDTH:
                break
        edges[-1] = max(int(edges[-1]), high + 1)
        place = np.searchsorted(edges, self.values, side="right") - 1
        tokens, mass = np.zeros((2, len(edges) - 1), np.int64)
        np.add.at(tokens, place, self.tokens)
        np.add.at(mass, place, self.tokens * self.values)
        return Bins(edges, tokens, mass)

    def at(self, ranks: Counts) -> Counts:
        """The counts of the tokens of some ranks, from 1."""
        return self.values[np.searchsorted(np.cumsum(self.tokens), ranks)]

    def ranks(self, most: int) -> Counts:
        """Ranks that show the whole curve: those of both ends of its steps, thinned evenly."""
        ends = np.cumsum(self.tokens)
        found = np.unique(np.concatenate((ends, ends - self.tokens + 1)))
        return found if len(found) <= most else _spaced(1, int(ends[-1]), most)

    def fit(self) -> Fit | None:
        """A line through rank and count; None where it would be no fair description."""
        last = int(self.tokens[self.values >= _FREQUENT].sum())
        if last < 10**_DECADES:
            return None
        ranks = _spaced(1, last, _FIT_POINTS)
        x, y = np.log(ranks), np.log(self.at(ranks))
        spread = float(((y - y.mean()) ** 2).sum())
        if not spread:
            return None
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        scale = float(y.mean() - slope * x.mean())
        explained = 1 - float(((y - scale - slope * x) ** 2).sum()) / spread
        if explained < _EXPLAINED:
            return None
        return Fit(slope, float(np.exp(scale)), 1, last, explained)


def _spaced(first: int, last: int, most: int) -> Counts:
    """Whole numbers evenly spaced on the scale of the logarithm, each once."""
    return np.unique(np.round(np.geomspace(first, last, most)).astype(np.int64))


def collect(pieces: Iterable[Counts]) -> Spectrum:
    """The spectrum of counts that come in pieces; those of 0 have no part in it."""
    values = tokens = np.empty(0, np.int64)
    for piece in pieces:
        found, numbers = np.unique(piece[piece > 0], return_counts=True)
        together = np.concatenate((values, found))
        values, place = np.unique(together, return_inverse=True)
        held = np.zeros(len(values), np.int64)
        np.add.at(held, place, np.concatenate((tokens, numbers)))
        tokens = held
    return Spectrum(values[::-1], tokens[::-1])


def lines(spectrum: Spectrum, most: int, width: int) -> str:
    """The histogram as text: a line for each bin, with a bar as long as it has tokens."""
    bins = spectrum.bins(most)
    rows = [("COUNT", "TOKENS", "OF THEM", "OF ALL COUNTS")]
    for low, high, tokens, mass in zip(
        bins.edges[:-1], bins.edges[1:] - 1, bins.tokens, bins.mass, strict=True
    ):
        name = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        rows.append((name, f"{tokens:,}", f"{tokens / bins.tokens.sum():.1%}",
                     f"{mass / bins.mass.sum():.1%}"))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    bars = ["", *("#" * int(np.ceil(width * n / bins.tokens.max())) for n in bins.tokens)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]), bar]).rstrip()
        for row, bar in zip(rows, bars, strict=True)
    )
