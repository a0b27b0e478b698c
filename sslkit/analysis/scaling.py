"""A saturating power law of what a run reached against what it spent, and what comes next.

    value(spent) = limit + scale * (spent / reference) ** -exponent

(Kaplan et al. 2020; Hoffmann et al. 2022). For a fixed exponent the law is linear, so the others
are projected out (Golub & Pereyra 1973) and the exponent alone is looked for: on a grid in log
space, then on finer ones around its best place. There is no start to choose, and nothing is drawn.

Intervals are profile intervals at 95% (Bates & Watts 1988, chapter 6): all that a law says which
explains the points about as well as the best one does, with as many degrees of freedom as there
are points beyond the three parameters. Neighbouring points that err alike count as fewer: the
spread is widened by (1 + r) / (1 - r), r being the correlation of neighbouring residuals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from sslkit.errors import DataError
from sslkit.probes.intervals import Interval

Floats = npt.NDArray[np.float64]

#: Points that a law takes at least: one more than it has parameters.
FEWEST = 4
#: Exponents that are tried. The smallest is next to a straight line in log space, the largest a
#: step that is over before the second point.
_SMALLEST, _LARGEST = 0.01, 8.0
_GRID, _FINE = 121, 65
#: Finer grids, each within the one before it, until enough exponents lie within the interval.
_ZOOMS = 10
_MOST_CORRELATION = 0.9
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Law:
    """A fitted law, as the profile over its exponent.

    Written as ``level + slope * bend(spent)``, where ``bend`` is ``(x ** -exponent - 1) /
    exponent`` of ``x = spent / reference``: next to the logarithm for small exponents, so that
    level and slope stay well determined where limit and scale are not.

    Attributes:
        reference: the most that was spent.
        points: how many were fitted.
        noise: standard deviation of the points about the law.
        correlation: of neighbouring residuals, 0 to 0.9.
        exponents: those that were tried, ascending, [E].
        squares: sum of squared residuals of each, [E]; ``most``, up to which one is believed.
        fits: level and slope of each, [E, 2]; ``spreads``, inverse of their normal matrix,
            [E, 2, 2].
    """

    reference: float
    points: int
    noise: float
    correlation: float
    exponents: Floats
    squares: Floats
    most: float
    fits: Floats
    spreads: Floats

    @property
    def exponent(self) -> Interval:
        """How fast it saturates; an end at a border of what is tried means: any beyond it."""
        believed = np.flatnonzero(self.squares <= self.most)
        low, high = self._edge(believed[0], -1), self._edge(believed[-1], 1)
        return Interval(float(self.exponents[self._best]), low, high)

    @property
    def settles(self) -> bool:
        """Whether a straight line in log space, which has no limit, is ruled out."""
        return bool(self.squares[0] > self.most)

    @property
    def limit(self) -> Interval:
        """Where it ends if spending never does; means nothing where it does not settle."""
        return self._say(lambda exponent: (1.0, -1 / exponent))

    @property
    def scale(self) -> Interval:
        """What is left to the limit at ``reference``; below 0 for what rises."""
        return self._say(lambda exponent: (0.0, 1 / exponent))

    def at(self, spent: float) -> Interval:
        """The value that is expected, without the noise of a point."""
        place = spent / self.reference
        return self._say(lambda exponent: (1.0, _bend(place, exponent)))

    def fall(self, spent: float, factor: float = 2.0) -> Interval:
        """How much lower the value is expected to be after ``factor`` times as much."""
        now = spent / self.reference
        return self._say(
            lambda exponent: (0.0, _bend(now, exponent) - _bend(factor * now, exponent))
        )

    def curve(self, spent: Floats) -> Floats:
        """The best law at many places, [places]."""
        level, slope = self.fits[self._best]
        bent = _bend(spent / self.reference, self.exponents[self._best])
        found: Floats = level + slope * bent
        return found

    @property
    def _best(self) -> int:
        return int(self.squares.argmin())

    def _edge(self, at: int, side: int) -> float:
        """Where the squares pass ``most``, between an exponent and its neighbour."""
        other = at + side
        if not 0 <= other < len(self.exponents):
            return float(self.exponents[at])
        inner, outer = self.squares[at], self.squares[other]
        share = (self.most - inner) / max(outer - inner, 1e-300)
        step = np.log(self.exponents[other] / self.exponents[at])
        return float(self.exponents[at] * np.exp(min(max(share, 0.0), 1.0) * step))

    def _say(self, weights: Callable[[Floats], tuple[float | Floats, float | Floats]]) -> Interval:
        """A quantity that is linear in level and slope, by weights for each exponent."""
        linear = np.stack(
            [np.broadcast_to(one, len(self.exponents)) for one in weights(self.exponents)], axis=1
        )
        value = (self.fits * linear).sum(axis=1)
        room = self.most - self.squares
        spread = np.einsum("ei,eij,ej->e", linear, self.spreads, linear)
        half = np.sqrt(np.maximum(room, 0) * np.maximum(spread, 0))
        believed = room >= 0
        low, high = (value - half)[believed].min(), (value + half)[believed].max()
        return Interval(float(value[self._best]), float(low), float(high))


def fit(spent: npt.ArrayLike, value: npt.ArrayLike) -> Law:
    """The law that fits points best, by least squares.

    Args:
        spent: compute, tokens or parameters of each point, above 0, [points].
        value: a loss, or a score, [points].

    Raises:
        DataError: too few points, or one that is no number.
    """
    x, y = np.asarray(spent, np.float64), np.asarray(value, np.float64)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    if (count := len(np.unique(x))) < FEWEST:
        raise DataError(
            f"a law cannot be fitted to {count} point(s)",
            why=f"it has three parameters, so it takes {FEWEST} of different compute at least",
            do="train longer, or evaluate more often (--probe-every)",
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x[0] > 0):
        raise DataError("a law takes finite values of compute above 0")
    reference = float(x[-1])
    x = x / reference
    exponents = np.geomspace(_SMALLEST, _LARGEST, _GRID)
    for _ in range(_ZOOMS):
        law = _law(x, y, exponents, reference)
        believed = np.flatnonzero(law.squares <= law.most)
        if len(believed) >= _FINE // 2:
            break
        ends = max(believed[0] - 1, 0), min(believed[-1] + 1, len(exponents) - 1)
        fine = np.geomspace(exponents[ends[0]], exponents[ends[1]], _FINE)
        exponents = np.unique(np.concatenate([exponents, fine]))
    return law


def _law(x: Floats, y: Floats, exponents: Floats, reference: float) -> Law:
    """The profile over some exponents, of places relative to the reference."""
    squares, fits, spreads = _profile(x, y, exponents)
    best = int(squares.argmin())
    left = y - fits[best, 0] - fits[best, 1] * _bend(x, exponents[best])
    free = len(x) - 3
    correlation = _neighbours(left)
    widened = (1 + correlation) / (1 - correlation)
    quantile = float(stats.f.ppf(_CONFIDENCE, 1, free))
    # Rounding alone must leave the best exponent believed.
    floor = 1e-24 * max(float((y**2).sum()), 1e-300)
    return Law(
        reference=reference,
        points=len(x),
        noise=float(np.sqrt(squares[best] / free)),
        correlation=correlation,
        exponents=exponents,
        squares=squares,
        most=float(squares[best]) * (1 + widened * quantile / free) + floor,
        fits=fits,
        spreads=spreads,
    )


def _profile(x: Floats, y: Floats, exponents: Floats) -> tuple[Floats, Floats, Floats]:
    """Squares [E], level and slope [E, 2], and the inverse normal matrices [E, 2, 2]."""
    bent = _bend(x[None, :], exponents[:, None])
    count = len(x)
    total, crossed = bent.sum(axis=1), (bent**2).sum(axis=1)
    middle = bent - total[:, None] / count
    spread = np.maximum((middle**2).sum(axis=1), 1e-300)
    slope = middle @ (y - y.mean()) / spread
    level = y.mean() - slope * total / count
    squares = ((y - level[:, None] - slope[:, None] * bent) ** 2).sum(axis=1)
    whole = count * spread
    inverse = np.stack([crossed, -total, -total, np.full_like(total, count)], axis=1)
    inverse = inverse.reshape(-1, 2, 2) / whole[:, None, None]
    return squares, np.stack([level, slope], axis=1), inverse


def _bend(place: float | Floats, exponent: float | Floats) -> Floats:
    """``(place ** -exponent - 1) / exponent``: 0 at the reference, falling, the log for 0."""
    found: Floats = np.expm1(-np.asarray(exponent) * np.log(place)) / exponent
    return found


def _neighbours(left: Floats) -> float:
    """Correlation of residuals that follow each other, as a noise that can only widen."""
    square = float((left**2).sum())
    if square <= 0:
        return 0.0
    return float(min(max((left[1:] * left[:-1]).sum() / square, 0.0), _MOST_CORRELATION))
