"""How alike the vectors of a table are: what a collapsed encoder makes, it makes of everything."""

import numpy as np
import numpy.typing as npt

#: A mean correlation above which vectors tell their records hardly apart.
COLLAPSED = 0.999
#: Vectors of a block, of a fixed number: equal vectors give equal bytes.
ROWS = 8192


class Likeness:
    """The mean correlation over all pairs of vectors, from running sums.

    Vectors are centred over their numbers and divided by their norm; of n such vectors u the mean
    over pairs is (|sum u|^2 - sum |u|^2) / (n (n - 1)).
    """

    def __init__(self) -> None:
        self._count = 0
        self._squares = 0.0
        self._sum: npt.NDArray[np.float64] | None = None

    def add(self, vectors: npt.NDArray[np.floating]) -> None:
        """Take more vectors, [rows, width]; those that are not finite are passed over."""
        for begin in range(0, len(vectors), ROWS):
            block = vectors[begin : begin + ROWS].astype(np.float64)
            block = block[np.isfinite(block).all(axis=1)]
            if not len(block):
                continue
            # First to a common size: squares of large numbers have none.
            block /= np.maximum(np.abs(block).max(axis=1, keepdims=True), 1e-300)
            block -= block.mean(axis=1, keepdims=True)
            norm = np.linalg.norm(block, axis=1, keepdims=True)
            block = np.divide(block, norm, out=np.zeros_like(block), where=norm > 1e-9)
            total = block.sum(axis=0)
            self._sum = total if self._sum is None else self._sum + total
            self._squares += float((block**2).sum())
            self._count += len(block)

    @property
    def mean(self) -> float | None:
        """The mean correlation, -1 to 1; None for fewer than two vectors, or of one number each.

        Vectors whose numbers are all equal are alike whatever they are: 1 where there are no
        others.
        """
        if self._sum is None or self._count < 2 or len(self._sum) < 2:
            return None
        if self._squares == 0:
            return 1.0
        pairs = float(self._sum @ self._sum) - self._squares
        return min(pairs / (self._count * (self._count - 1)), 1.0)


def of(vectors: npt.NDArray[np.floating]) -> float | None:
    """The mean correlation of vectors [rows, width]."""
    likeness = Likeness()
    likeness.add(vectors)
    return likeness.mean
