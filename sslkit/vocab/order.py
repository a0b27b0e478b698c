"""From token order to vocabulary order: count descending, then token ascending.

The merge gives tokens in their own order. Every chunk of it is sorted by count (stable, so that
tokens of equal count keep their order) and laid aside. The tokens of one count are then the
slices of that count of all chunks, one after the other: they are never sorted again. Counts are
taken from the highest down in bands that fit into memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslkit.errors import ResourceError
from sslkit.vocab.runs import Counts, Keys


@dataclass(frozen=True)
class _Chunk:
    """Rows in order of count, highest first, and where each count begins in them."""

    path: Path
    rows: int
    values: Counts
    starts: Counts

    def slice(self, low: int, high: int) -> tuple[int, int]:
        """Where the rows with ``low <= count <= high`` stand."""
        # Searched among negative counts, which ascend.
        begin = int(np.searchsorted(-self.values, -high))
        end = int(np.searchsorted(-self.values, -low, side="right"))
        bounds = np.append(self.starts, self.rows)
        return int(bounds[begin]), int(bounds[end])

    def read(self, start: int, end: int) -> tuple[Keys, Counts]:
        keys = np.fromfile(self.path, np.uint64, end - start, offset=8 * start)
        counts = np.repeat(self.values, np.diff(self.starts, append=self.rows))[start:end]
        return keys, counts


class ByCount:
    """Takes rows in key order and gives them back in vocabulary order.

    Args:
        folder: where chunks are laid aside.
        rows: rows that may be in memory at once.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._limit = rows
        self._chunks: list[_Chunk] = []
        self.rows = 0
        self.total = 0

    def add(self, keys: Keys, counts: Counts) -> None:
        """The next rows in key order.

        Raises:
            ResourceError: the disk is full.
        """
        for start in range(0, len(keys), self._limit):
            self._add(keys[start : start + self._limit], counts[start : start + self._limit])

    def _add(self, keys: Keys, counts: Counts) -> None:
        order = np.argsort(-counts, kind="stable")
        ordered = counts[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        path = self._folder / f"chunk-{len(self._chunks):06d}"
        try:
            keys[order].tofile(path)
        except OSError as error:
            raise ResourceError(
                "a temporary file cannot be written", where=str(path), why=str(error)
            ) from error
        self._chunks.append(_Chunk(path, len(keys), ordered[starts], starts))
        self.rows += len(keys)
        self.total += int(counts.sum())

    def result(self) -> Iterator[tuple[Keys, Counts]]:
        """All rows in vocabulary order, in pieces."""
        highest = max((int(chunk.values[0]) for chunk in self._chunks), default=0)
        yield from self._band(1, highest)

    def _band(self, low: int, high: int) -> Iterator[tuple[Keys, Counts]]:
        slices = [(chunk, *chunk.slice(low, high)) for chunk in self._chunks]
        slices = [(chunk, start, end) for chunk, start, end in slices if end > start]
        rows = sum(end - start for _, start, end in slices)
        if not rows:
            return
        if low == high:
            for chunk, start, end in slices:
                yield chunk.read(start, end)
        elif rows <= self._limit:
            parts = [chunk.read(start, end) for chunk, start, end in slices]
            keys = np.concatenate([keys for keys, _ in parts])
            counts = np.concatenate([counts for _, counts in parts])
            order = np.argsort(-counts, kind="stable")
            yield keys[order], counts[order]
        else:
            middle = (low + high) // 2
            # Most tokens are rare: halve in the logarithm of the count.
            middle = min(middle, max(low, int((low * high) ** 0.5)))
            yield from self._band(middle + 1, high)
            yield from self._band(low, middle)
