"""How often pairs of neighbouring symbols occur, while merges make new symbols of them."""

import heapq
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.vocab.subwords.subwords import Counts

Symbols: TypeAlias = npt.NDArray[np.int32]

_LOW = (1 << 32) - 1
_MOST = 1 << 63


class Pairs:
    """Counts of pairs, grouped by their newer symbol.

    Args:
        codes: of the pairs that there are (``codes_of``), ascending.
        counts: of each.

    Pairs of a new symbol come behind all others, so the codes stay sorted. A count only falls
    once its symbols are there, so the best pair of each group, as it once was, is a bound.
    """

    def __init__(self, codes: Counts, counts: Counts) -> None:
        self._codes, self._counts = codes, counts
        self._size = len(codes)
        self._bounds: list[int] = []
        for symbol in np.unique(codes >> 32).tolist():
            self._push(symbol)

    def best(self) -> tuple[int, int, int] | None:
        """Count and symbols; the older symbols first where counts are equal."""
        while self._bounds:
            told = heapq.heappop(self._bounds)
            left, right = told >> 32 & _LOW, told & _LOW
            now = self._push(max(left, right))
            if now == told:
                return _MOST - (told >> 64), left, right
        return None

    def subtract(self, codes: Counts, counts: Counts) -> None:
        """Fewer of some pairs, which are there."""
        self._counts[np.searchsorted(self._codes[: self._size], codes)] -= counts

    def add(self, newest: int, codes: Counts, counts: Counts) -> None:
        """More of some pairs, all with one symbol."""
        if not len(codes):
            return
        if self._size and codes[0] <= self._codes[self._size - 1]:
            # The symbol, or its neighbour, is not new.
            held = self._codes[: self._size], self._counts[: self._size]
            self._codes, self._counts = sums(
                np.concatenate((held[0], codes)), np.concatenate((held[1], counts))
            )
            self._size = len(self._codes)
            for symbol in np.unique(codes >> 32).tolist():
                self._push(symbol)
            return
        end = self._size + len(codes)
        if end > len(self._codes):
            self._grow(len(codes))
            end = self._size + len(codes)
        self._codes[self._size : end] = codes
        self._counts[self._size : end] = counts
        self._size = end
        self._push(newest)

    def _grow(self, more: int) -> None:
        """Make room for more pairs, and forget those that occur no longer."""
        alive = np.flatnonzero(self._counts[: self._size])
        room = np.zeros(2 * len(alive) + more, np.int64)
        codes, counts = room, room.copy()
        codes[: len(alive)] = self._codes[alive]
        counts[: len(alive)] = self._counts[alive]
        self._codes, self._counts, self._size = codes, counts, len(alive)

    def _push(self, symbol: int) -> int:
        """Note the best pair of a group; 0 where none is left."""
        ends = np.array([symbol, symbol + 1], np.int64) << 32
        start, end = np.searchsorted(self._codes[: self._size], ends)
        highest = int(self._counts[start:end].max(initial=0))
        if not highest:
            return 0
        codes = self._codes[start:end][self._counts[start:end] == highest]
        newer, older, swapped = codes >> 32, codes >> 1 & (_LOW >> 1), (codes & 1).astype(bool)
        pair = np.where(swapped, newer << 32 | older, older << 32 | newer)
        bound = (_MOST - highest) << 64 | int(pair.min())
        heapq.heappush(self._bounds, bound)
        return bound


def codes_of(left: Symbols, right: Symbols) -> Counts:
    """Numbers of pairs that sort by their newer symbol."""
    newer = np.maximum(left, right).astype(np.int64)
    return newer << 32 | np.minimum(left, right).astype(np.int64) << 1 | (left > right)


def sums(codes: Counts, counts: Counts) -> tuple[Counts, Counts]:
    """Each code once, ascending, and the sum of its counts."""
    if not len(codes):
        return codes, counts
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    return codes[starts], np.add.reduceat(counts[order], starts)
