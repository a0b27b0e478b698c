"""Which record of one side says the same as a record of the other side: found by cosine."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
#: Cells of a block of similarities.
_CELLS = 4_000_000


@dataclass(frozen=True)
class Found:
    """Where the partner of each record stood among all candidates.

    Attributes:
        rank: from 1, [records]; candidates that are as near as the partner count half.
        nearest: number of the nearest candidate, [records].
    """

    rank: Floats
    nearest: Ints

    @property
    def hits(self) -> Floats:
        """1 where the partner is nearer than all others, [records]."""
        found: Floats = (self.rank == 1).astype(np.float64)
        return found


def search(queries: Any, candidates: Any) -> Found:
    """Look every query up; its partner is the candidate of the same number.

    Args:
        queries, candidates: [records, numbers], dense or SciPy's sparse; a row of zeros is equally
            near to all.
    """
    left, right = _directions(queries), _directions(candidates)
    size = left.shape[0]
    ranks, nearest = np.empty(size), np.empty(size, np.int64)
    for begin in range(0, size, step := max(1, _CELLS // size)):
        rows = np.arange(begin, min(size, begin + step))
        near = left[rows] @ right.T
        near = near.toarray() if sparse.issparse(near) else near
        own = near[np.arange(len(rows)), rows][:, None]
        ranks[rows] = 1 + (near > own).sum(1) + ((near == own).sum(1) - 1) / 2
        nearest[rows] = near.argmax(1)
    return Found(ranks, nearest)


def _directions(vectors: Any) -> Any:
    if sparse.issparse(vectors):
        norm = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel())
        return sparse.diags_array(1 / np.where(norm > 0, norm, 1)) @ vectors
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norm > 0, norm, 1)


def bags(rows: list[Ints], size: int, weights: Floats) -> Any:
    """Tokens of each record as weighted counts, sparse [records, size].

    Args:
        weights: of each token, [size].
    """
    lengths = [len(row) for row in rows]
    tokens = np.concatenate([*rows, np.empty(0, np.int64)])
    at = np.repeat(np.arange(len(rows)), lengths)
    held = sparse.coo_array((weights[tokens], (at, tokens)), shape=(len(rows), size))
    return held.tocsr()


def rarity(rows: list[Ints], size: int) -> Floats:
    """Inverse document frequency of every token, [size] (Sparck Jones 1972); 0 where it is none."""
    count = np.bincount(np.concatenate([np.unique(row) for row in rows]), minlength=size)
    found: Floats = np.where(count > 0, np.log((1 + len(rows)) / (1 + count)) + 1, 0.0)
    return found


def dictionary(first: Floats, second: Floats) -> Ints:
    """For each row of ``first`` the row of ``second`` with the highest cosine."""
    found: Ints = (_directions(first) @ _directions(second).T).argmax(1)
    return found
