"""Counting k-mers: a table of all of them where it is small, sorted runs where it is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sslkit.vocab import merge, pack, runs
from sslkit.vocab.runs import Counts, Keys, Run
from sslkit.vocab.scheme import Codes

#: Longest k-mers that are counted in a table of 4^k cells (64 MiB).
TABLE_K = 12
# Up to here the table stays in the processor's cache whatever the order of the k-mers.
_CACHED_K = 9
_CHUNK = 1 << 20


class Store(Protocol):
    """Where keys are added up until they must be written down."""

    def room(self) -> int:
        """How many keys may be added before ``chunks`` must be asked for."""
        ...

    def add(self, keys: Keys) -> None:
        """Count keys; ``pack.none(k)`` counts as nothing."""
        ...

    def chunks(self) -> Iterator[tuple[Keys, Counts]]:
        """What was counted, sorted; the store is empty afterwards."""
        ...


class Table:
    """A count for every possible k-mer."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._counts = np.zeros(4**k + 1, np.uint32)
        self._added = 0

    def room(self) -> int:
        """Cells are 32 bits wide, so no more k-mers than that at once."""
        return 2**32 - 1 - self._added

    def add(self, keys: Keys) -> None:
        """Count keys."""
        self._added += len(keys)
        if self._k <= _CACHED_K:
            found = np.bincount(keys.view(np.int64), minlength=len(self._counts))
            self._counts += found.astype(np.uint32)
            return
        small = keys.astype(np.uint32)
        # Increments in order of address: a random walk over 64 MiB would miss every cache.
        small.sort()
        first = np.flatnonzero(np.concatenate(([True], small[1:] != small[:-1])))
        self._counts[small[first]] += np.diff(first, append=len(small)).astype(np.uint32)

    def chunks(self) -> Iterator[tuple[Keys, Counts]]:
        """The k-mers that occurred and how often."""
        for start in range(0, 4**self._k, _CHUNK):
            part = self._counts[start : min(start + _CHUNK, 4**self._k)]
            held = np.flatnonzero(part)
            if len(held):
                yield (held + start).astype(np.uint64), part[held].astype(np.int64)
        self._counts[:] = 0
        self._added = 0


class Buffer:
    """Keys one after the other, sorted when the buffer is full.

    Args:
        capacity: keys it can hold, 8 bytes each.
        none: the key that counts as nothing; larger than all others.
    """

    def __init__(self, capacity: int, none: np.uint64) -> None:
        self._keys: npt.NDArray[np.uint64] = np.empty(capacity, np.uint64)
        self._none = none
        self._size = 0

    def room(self) -> int:
        """Free places."""
        return len(self._keys) - self._size

    def add(self, keys: Keys) -> None:
        """Append keys."""
        self._keys[self._size : self._size + len(keys)] = keys
        self._size += len(keys)

    def chunks(self) -> Iterator[tuple[Keys, Counts]]:
        """The distinct keys in order, and how often each was added."""
        keys = self._keys[: self._size]
        keys.sort()
        keys = keys[: int(np.searchsorted(keys, self._none))]
        start = 0
        while start < len(keys):
            end = min(start + _CHUNK, len(keys))
            end = int(np.searchsorted(keys, keys[end - 1], side="right"))
            part = keys[start:end]
            first = np.flatnonzero(np.concatenate(([True], part[1:] != part[:-1])))
            yield part[first], np.diff(first, append=len(part))
            start = end
        self._size = 0


class Counter:
    """Counts the k-mers of streams of codes within a number of bytes.

    Args:
        k: letters per k-mer.
        memory: bytes for what is counted; blocks of the stream come on top.
        folder: where runs are written when the memory is full.
    """

    def __init__(self, k: int, memory: int, folder: Path) -> None:
        self._k = k
        self._folder = folder
        self._memory = memory
        self._store: Store = Table(k) if k <= TABLE_K else Buffer(memory // 8, pack.none(k))
        self._runs: list[Run] = []
        self._rest = np.empty(0, np.uint8)

    @property
    def spilled(self) -> int:
        """Runs on disk."""
        return len(self._runs)

    def add(self, codes: Codes) -> None:
        """Count the k-mers of more codes; those that reach into the next ones wait for them."""
        stream = np.concatenate((self._rest, codes))
        if len(stream) < self._k:
            self._rest = stream
            return
        keys = pack.kmers(stream, self._k)
        self._rest = stream[len(stream) - self._k + 1 :]
        if self._store.room() < len(keys):
            self.spill()
        self._store.add(keys)

    def end(self) -> None:
        """The stream ends here; another one may follow."""
        self._rest = np.empty(0, np.uint8)

    def spill(self) -> None:
        """Write down what is counted so far."""
        path = self._folder / f"run-{len(self._runs):06d}"
        self._runs.append(runs.write(path, self._store.chunks(), {}))

    def result(self) -> Iterator[tuple[Keys, Counts]]:
        """All k-mers in order with their counts, in chunks."""
        if not self._runs:
            yield from self._store.chunks()
            return
        self.spill()
        self._store = Buffer(0, pack.none(self._k))
        found = merge.reduce(self._runs, self._folder, self._memory, lambda: None)
        yield from merge.merge(found, self._memory)
