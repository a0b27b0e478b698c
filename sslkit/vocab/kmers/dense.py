"""Counting short k-mers in a table of all of them.

Where k is small, longer windows are counted at every second, fourth or eighth letter instead: a
window of k + 3 letters tells of four k-mers at once, and the sums of its counts are theirs. Only
beside breaks, where a long window does not fit and a short one may, k-mers are counted singly.
"""

from collections.abc import Callable, Iterator

import numpy as np

from sslkit.vocab.external_sort.keys import Column, Counts
from sslkit.vocab.kmers import pack
from sslkit.vocab.kmers.pack import PER_WORD, Keys, Packed, Windows

#: Tables up to here stay in the processor's cache whatever the order of the k-mers.
CACHED_K = 9
_CHUNK = 1 << 18
#: Most keys that are gathered before they are counted in order of address.
_GATHERED = 1 << 24


class Cells:
    """A count for every possible k-mer; canonical ones are put together at the end."""

    def __init__(self, k: int, canonical: bool) -> None:
        self.k = k
        self.counts = np.zeros(4**k, np.uint32)
        self._canonical = canonical
        self._added = 0

    def room(self) -> int:
        """Cells are 32 bits wide, so no more k-mers than that at once."""
        return 2**32 - 1 - self._added

    def add(self, held: Packed) -> None:
        """Count the windows of some letters."""
        self._added += held.letters

    def flush(self) -> None:
        """Count what ``add`` has left for later."""

    def chunks(self, check: Callable[[], None]) -> Iterator[tuple[Column, Counts]]:
        """The k-mers that occurred and how often; it takes so little that it is not ended."""
        del check
        self.flush()
        if self._canonical:
            self._fold()
        for start in range(0, 4**self.k, _CHUNK):
            part = self.counts[start : start + _CHUNK]
            held = np.flatnonzero(part)
            if len(held):
                yield (held + start).astype(np.uint64)[None], part[held].astype(np.int64)
        self.counts[:] = 0
        self._added = 0

    def _fold(self) -> None:
        """Give the counts of every k-mer to the smaller one of it and its reverse complement."""
        for start in range(0, 4**self.k, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, 4**self.k), dtype=np.uint64)
            others = pack.reverse_complement(numbers, self.k)
            larger = np.flatnonzero(others < numbers)
            self.counts[others[larger]] += self.counts[numbers[larger]]
            self.counts[numbers[larger]] = 0


class Table(Cells):
    """Counts many k-mers at once.

    Args:
        memory: bytes, the table's own among them.
        block: most letters that ``add`` is given at once.
    """

    def __init__(self, k: int, canonical: bool, memory: int, block: int) -> None:
        super().__init__(k, canonical)
        self._step = max(step for step in (1, 2, 4, 8) if step == 1 or k + step - 1 <= CACHED_K)
        self._windows = Windows(k + self._step - 1, canonical=False)
        self._sorted = k > CACHED_K
        free = min((memory - self.counts.nbytes) // 4, _GATHERED) if self._sorted else 0
        kind = np.uint32 if self._sorted else np.int64
        self._gathered = np.empty(max(free, block), kind)
        self._held = 0

    def add(self, held: Packed) -> None:
        """Count the windows of some letters."""
        super().add(held)
        if held.letters > len(self._gathered) - self._held:
            self.flush()
        for keys in self._windows.rows(held, range(0, PER_WORD, self._step)):
            self._gathered[self._held : self._held + len(keys)] = keys
            self._held += len(keys)
        if self._step > 1:
            found = _beside_breaks(held, self.k, self._step).view(np.int64)
            self.counts += np.bincount(found, minlength=4**self.k).astype(np.uint32)

    def flush(self) -> None:
        """Count what was gathered."""
        keys = self._gathered[: self._held]
        self._held = 0
        if not self._sorted:
            longer = self.k + self._step - 1
            found = np.bincount(keys, minlength=4**longer + 1)[:-1]
            for before in range(self._step):
                sides = found.reshape(4**before, 4**self.k, -1)
                self.counts += sides.sum(axis=(0, 2)).astype(np.uint32)
            return
        # In order of address: a random walk over 64 MiB would miss every cache.
        keys.sort()
        for low in range(0, 4**self.k, _CHUNK):
            start, end = np.searchsorted(keys, np.array([low, low + _CHUNK], np.uint32))
            found = np.bincount(keys[start:end].astype(np.int64) - low, minlength=_CHUNK)
            self.counts[low : low + _CHUNK] += found.astype(np.uint32)


def _beside_breaks(held: Packed, k: int, step: int) -> Keys:
    """The k-mers in windows of k + step - 1 letters at every ``step``-th one that hold a break."""
    back = step * np.arange(-(-(k + step - 1) // step))
    first = (held.breaks // step * step)[:, None] - back
    first = first[(first >= 0) & (first + k + step - 1 > held.breaks[:, None])]
    starts = (np.unique(first)[:, None] + np.arange(step)).reshape(-1)
    # Behind the letters there is always a break.
    ahead = held.breaks[np.minimum(np.searchsorted(held.breaks, starts), len(held.breaks) - 1)]
    starts = starts[ahead >= starts + k]
    word, shift = starts // PER_WORD, (2 * (starts % PER_WORD)).astype(np.uint64)
    after = held.words[word + 1] >> np.uint64(1) >> (np.uint64(63) - shift)
    keys: Keys = ((held.words[word] << shift) | after) >> np.uint64(64 - 2 * k)
    return keys
