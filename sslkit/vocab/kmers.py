"""Counting k-mers: a table of all of them where it is small, sorted runs where it is not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sslkit.vocab import pack, runs
from sslkit.vocab.buffer import Buffer
from sslkit.vocab.keys import Column, Counts, Words
from sslkit.vocab.runs import Run
from sslkit.vocab.scheme import Codes

KIND = Words(1)
#: Longest k-mers that are counted in a table of 4^k cells (64 MiB).
TABLE_K = 12
# Up to here the table stays in the processor's cache whatever the order of the k-mers.
_CACHED_K = 9
_CHUNK = 1 << 18


class Store(Protocol):
    """Where keys are added up until they must be written down."""

    def room(self) -> int:
        """How many keys may be added before ``chunks`` must be asked for."""
        ...

    def add(self, keys: npt.NDArray[np.uint64]) -> None:
        """Count keys; ``pack.none(k)`` counts as nothing."""
        ...

    def chunks(self) -> Iterator[tuple[Column, Counts]]:
        """What was counted, sorted; the store is empty afterwards."""
        ...


class Table:
    """A count for every possible k-mer; canonical ones are put together at the end."""

    def __init__(self, k: int, canonical: bool) -> None:
        self._k = k
        self._canonical = canonical
        self._counts = np.zeros(4**k + 1, np.uint32)
        self._added = 0

    def room(self) -> int:
        """Cells are 32 bits wide, so no more k-mers than that at once."""
        return 2**32 - 1 - self._added

    def add(self, keys: npt.NDArray[np.uint64]) -> None:
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

    def chunks(self) -> Iterator[tuple[Column, Counts]]:
        """The k-mers that occurred and how often."""
        if self._canonical:
            self._fold()
        for start in range(0, 4**self._k, _CHUNK):
            part = self._counts[start : min(start + _CHUNK, 4**self._k)]
            held = np.flatnonzero(part)
            if len(held):
                yield (held + start).astype(np.uint64)[None], part[held].astype(np.int64)
        self._counts[:] = 0
        self._added = 0

    def _fold(self) -> None:
        """Give the counts of every k-mer to the smaller one of it and its reverse complement."""
        for start in range(0, 4**self._k, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, 4**self._k), dtype=np.uint64)
            others = pack.reverse_complement(numbers, self._k)
            larger = np.flatnonzero(others < numbers)
            self._counts[others[larger]] += self._counts[numbers[larger]]
            self._counts[numbers[larger]] = 0


class Counter:
    """Counts the k-mers of streams of codes within a number of bytes.

    Args:
        k: letters per k-mer.
        canonical: count a k-mer and its reverse complement as the smaller of the two.
        memory: bytes for what is counted; a block of the stream comes on top.
        block: most codes that ``add`` is given at once.
    """

    def __init__(self, k: int, canonical: bool, memory: int, block: int) -> None:
        self._k = k
        self._canonical = canonical and k > TABLE_K
        # A block is rounded up to whole words, and has the rest of the one before.
        self._block = block + 128
        self._store: Store = (
            Table(k, canonical)
            if k <= TABLE_K
            else Buffer(max(memory // 8, 2 * self._block), pack.none(k))
        )
        self._rest = np.empty(0, np.uint8)

    def full(self) -> bool:
        """Whether ``write`` must come before the next ``add``."""
        return self._store.room() < self._block

    def add(self, codes: Codes) -> None:
        """Count the k-mers of more codes; those that reach into the next ones wait for them."""
        stream = np.concatenate((self._rest, codes))
        if len(stream) < self._k:
            self._rest = stream
            return
        self._rest = stream[len(stream) - self._k + 1 :]
        self._store.add(pack.kmers(stream, self._k, self._canonical))

    def end(self) -> None:
        """The stream ends here; another one may follow."""
        self._rest = np.empty(0, np.uint8)

    def write(self, stem: Path) -> list[Run]:
        """Write down everything counted, and forget it."""
        run = runs.write_run(stem, KIND, self._store.chunks())
        return [run] if run.rows else []

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs besides what was written."""
        return {"rest": self._rest.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after ``write`` in another process."""
        self._rest = np.array(state["rest"], np.uint8)
