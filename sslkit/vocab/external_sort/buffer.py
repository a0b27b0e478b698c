"""Keys of one word each, gathered until the memory is full and then sorted once.

No hash table: sorting numbers is so fast that looking each of them up would take longer.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sslkit.vocab.external_sort.keys import Column, Counts

_CHUNK = 1 << 18


class Buffer:
    """Room for a number of keys, 8 bytes each."""

    def __init__(self, capacity: int) -> None:
        self._keys: npt.NDArray[np.uint64] = np.empty(capacity, np.uint64)
        self._size = 0

    def room(self) -> int:
        """How many keys may still be added."""
        return len(self._keys) - self._size

    def add(self, keys: npt.NDArray[np.uint64]) -> None:
        """Append keys."""
        self._keys[self._size : self._size + len(keys)] = keys
        self._size += len(keys)

    def chunks(self) -> Iterator[tuple[Column, Counts]]:
        """The distinct keys in order and how often each was added; the buffer is empty then."""
        keys = self._keys[: self._size]
        keys.sort()
        yield from distinct(keys)
        self._size = 0


def distinct(keys: npt.NDArray[np.uint64]) -> Iterator[tuple[Column, Counts]]:
    """The distinct values of sorted keys and how often each stands there, in pieces."""
    start = 0
    while start < len(keys):
        end = min(start + _CHUNK, len(keys))
        if end < len(keys):
            end = start + int(np.searchsorted(keys[start:end], keys[end]))
        if end == start:  # one key fills more than a piece
            end = int(np.searchsorted(keys, keys[start], side="right"))
            yield keys[None, start : start + 1].copy(), np.array([end - start])
        else:
            yield run_lengths(keys[start:end])
        start = end


def run_lengths(keys: npt.NDArray[np.uint64]) -> tuple[Column, Counts]:
    """The distinct values of sorted keys, [1, distinct], and how often each stands there."""
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first][None], np.diff(first, append=len(keys))
