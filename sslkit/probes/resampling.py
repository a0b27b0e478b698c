"""Bootstrap resamples: how often each example is drawn, for many resamples at once."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.types import Array

Floats = npt.NDArray[np.float64]

#: Cells of one chunk of resamples: bounds memory for large test sets.
_CELLS = 2_000_000


def draw(strata: Array, seed: int, resamples: int) -> Iterator[Floats]:
    """Draw examples with replacement within strata, [chunk, examples] of weights at a time.

    Of the m examples of a stratum m - 1 are drawn, and weigh m / (m - 1) each: the spread of a
    mean over resamples is then that of the mean itself, and not too small by that factor (Rao &
    Wu 1988, section 2). The draws depend on the seed and the sizes of the strata only.

    Args:
        strata: codes; examples of one code replace each other, [examples].
    """
    _, codes, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    place: npt.NDArray[np.int64] = np.empty(len(strata), np.int64)
    place[np.argsort(codes, kind="stable")] = np.arange(len(strata))
    taken = np.maximum(sizes - 1, 1)
    first = np.repeat(np.cumsum(sizes) - sizes, taken)
    choices = np.repeat(sizes, taken).astype(np.float64)
    weight = (sizes / taken)[codes]
    generator = np.random.default_rng(int(rng.key(seed, "bootstrap")))
    chunk = max(1, _CELLS // max(len(strata), 1))
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        cells = first + (generator.random((rows, len(choices))) * choices).astype(np.int64)
        cells += np.arange(rows)[:, None] * len(strata)
        counts = np.bincount(cells.ravel(), minlength=rows * len(strata)).reshape(rows, -1)
        yield counts[:, place] * weight


def freedom(strata: Array) -> float:
    """Degrees of freedom of a spread to which every stratum adds, the small ones most.

    Those of Welch and Satterthwaite for a variance of 1 / m of each stratum of m examples; at
    least 1.
    """
    sizes = np.unique(strata, return_counts=True)[1].astype(np.float64)
    total = (1 / sizes).sum() ** 2
    return max(1.0, float(total / (1 / (sizes**2 * np.maximum(sizes - 1, 1))).sum()))
