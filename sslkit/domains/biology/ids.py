"""From the numbers of k-mers to token ids."""

import numpy as np
import numpy.typing as npt

#: Most cells of a table that has one for every k-mer.
_DENSE = 4**12


class IdTable:
    """A dense table where it is small, else a sorted one.

    Args:
        codes: the number of each token, from 0, [tokens].
        unknown: the id of what is no token.
        kmers: how many numbers there are.
    """

    def __init__(self, codes: npt.NDArray[np.int64], unknown: int, kmers: int) -> None:
        ids = np.arange(len(codes), dtype=np.int64)
        self._unknown = unknown
        self._dense: npt.NDArray[np.int64] | None = None
        if kmers <= _DENSE:
            # The last cell serves windows with an ambiguous letter, whose number is -1.
            self._dense = np.full(kmers + 1, unknown, np.int64)
            self._dense[codes] = ids
        else:
            order = np.argsort(codes)
            self._codes, self._sorted = codes[order], ids[order]

    def __getitem__(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The ids of numbers of any shape; -1 is no k-mer."""
        if self._dense is not None:
            return self._dense[codes]
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[place] == codes, self._sorted[place], self._unknown)
