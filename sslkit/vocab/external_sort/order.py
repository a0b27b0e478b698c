"""From token order to vocabulary order: count descending, then token ascending.

The merge gives tokens in their own order. Every chunk of it is sorted by count (stable, so that
tokens of equal count keep their order) and laid aside. The tokens of one count are then the
slices of that count of all chunks, one after the other: they are never sorted again. Counts are
taken from the highest down in bands that fit into memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslkit.vocab import budget
from sslkit.vocab.external_sort.columns import Index, contents
from sslkit.vocab.external_sort.keys import Column, Counts, Kind, Words
from sslkit.vocab.external_sort.runs import check_sum, explained

_RARE = 6


@dataclass(frozen=True)
class _Chunk:
    """Rows in order of count, highest first.

    Attributes:
        values: the counts that occur, highest first.
        bounds: where each of them begins, and the number of rows.
        sizes: bytes of the keys before each of the bounds.
    """

    paths: list[Path]
    values: Counts
    bounds: Counts
    sizes: Counts

    def place(self, low: int, high: int) -> tuple[int, int, int]:
        """Where the rows with ``low <= count <= high`` stand, and the bytes of their keys."""
        negative = -self.values  # which ascend, as searching wants
        begin = int(np.searchsorted(negative, -high))
        end = int(np.searchsorted(negative, -low, side="right"))
        size = int(self.sizes[end] - self.sizes[begin])
        return int(self.bounds[begin]), int(self.bounds[end]), size

    def counts(self, start: int, end: int) -> Counts:
        """The counts of some rows."""
        inside = np.clip(self.bounds, start, end)
        return np.repeat(self.values, inside[1:] - inside[:-1])


class ByCount:
    """Takes rows in token order and gives them back in vocabulary order.

    Args:
        kind: of the keys.
        folder: where chunks are laid aside.
        memory: bytes to work in.
    """

    def __init__(self, kind: Kind, folder: Path, memory: int) -> None:
        self._kind = kind
        self._folder = folder
        self._rows = min(1 << 20, memory // 128)
        self._bytes = memory // 6
        self._chunks: list[_Chunk] = []
        self._waiting: list[tuple[Column, Counts]] = []
        self._waiting_rows = self._waiting_bytes = 0
        self.rows = 0
        self.total = 0

    def add(self, column: Column, counts: Counts) -> None:
        """The next rows.

        Raises:
            ResourceError: the disk is full.
            DataError: counts too large to be added up.
        """
        check_sum(np.append(counts, self.total))
        before = _bytes_before(self._kind, column)
        start = 0
        while start < len(counts):
            fitting = int(np.searchsorted(before, before[start] + self._bytes, side="right")) - 1
            end = min(start + self._rows, max(fitting, start + 1), len(counts))
            size = int(before[end] - before[start])
            # A merge of many runs gives small pieces: a chunk is made of as many as there is room.
            if (
                self._waiting_rows + end - start > self._rows
                or self._waiting_bytes + size > self._bytes // 2
            ):
                self._lay_aside()
            self._waiting.append((self._kind.cut(column, start, end), counts[start:end]))
            self._waiting_rows += end - start
            self._waiting_bytes += size
            start = end
        self.rows += len(counts)
        self.total += int(counts.sum())

    def extend(self, others: Sequence["ByCount"]) -> None:
        """Take over what others have; their rows follow each other and those of this one."""
        self._lay_aside()
        for other in others:
            other._lay_aside()
            self._chunks += other._chunks
            self.rows += other.rows
            self.total += other.total
        check_sum(np.array([self.total]))

    def _lay_aside(self) -> None:
        """Make a chunk of what waits."""
        if not self._waiting:
            return
        column = self._kind.join([column for column, _ in self._waiting])
        counts = np.concatenate([counts for _, counts in self._waiting])
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        order = _descending(counts)
        ordered = counts[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        stem = f"chunk-{len(self._chunks):06d}"
        paths = [self._folder / (stem + suffix) for suffix in self._kind.suffixes]
        with explained(self._folder):
            self._folder.mkdir(exist_ok=True)
            files = [path.open("wb") for path in paths]
            try:
                self._kind.write(self._kind.take(column, order), files)
            finally:
                for stream in files:
                    stream.close()
        bounds = np.append(starts, len(counts))
        before = _bytes_before(self._kind, column)
        if not isinstance(self._kind, Words):  # whose keys all have the same size
            before = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.diff(before)[order])))
        sizes = before[bounds] - before[0]
        self._chunks.append(_Chunk(paths, ordered[starts], bounds, sizes))
        budget.settle()

    def distribution(self) -> tuple[Counts, Counts]:
        """The counts that occur, highest first, and how many tokens have each of them."""
        self._lay_aside()
        if not self._chunks:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        values = np.concatenate([chunk.values for chunk in self._chunks])
        tokens = np.concatenate([np.diff(chunk.bounds) for chunk in self._chunks])
        distinct, inverse = np.unique(-values, return_inverse=True)
        sums = np.zeros(len(distinct), np.int64)
        np.add.at(sums, inverse, tokens)
        return -distinct, sums

    def result(self, least: int = 1) -> Iterator[tuple[Column, Counts]]:
        """All rows whose count is at least ``least`` in vocabulary order, in pieces."""
        self._lay_aside()
        highest = max((int(chunk.values[0]) for chunk in self._chunks), default=0)
        if highest >= least:
            yield from self._band(least, highest)

    def _band(self, low: int, high: int) -> Iterator[tuple[Column, Counts]]:
        slices = [(chunk, *chunk.place(low, high)) for chunk in self._chunks]
        slices = [held for held in slices if held[2] > held[1]]
        rows = sum(end - start for _, start, end, _ in slices)
        size = sum(size for *_, size in slices)
        if not rows:
            return
        if low == high:
            for chunk, start, end, _ in slices:
                yield from self._stretch(chunk, start, end)
        elif rows <= self._rows // 4 and size <= self._bytes:
            parts = [
                part for chunk, start, end, _ in slices for part in self._stretch(chunk, start, end)
            ]
            column = self._kind.join([column for column, _ in parts])
            counts = np.concatenate([counts for _, counts in parts])
            order = _descending(counts)
            yield self._kind.take(column, order), counts[order]
        else:
            # Most tokens are rare, so halve on the scale of the logarithm.
            middle = min(max(low, int((low * high) ** 0.5)), high - 1)
            yield from self._band(middle + 1, high)
            yield from self._band(low, middle)

    def _stretch(self, chunk: _Chunk, start: int, end: int) -> Iterator[tuple[Column, Counts]]:
        """Some rows of a chunk, in pieces of bounded size."""
        while start < end:
            column = self._kind.read(chunk.paths, start, end - start, self._bytes)
            rows = self._kind.rows(column)
            yield column, chunk.counts(start, start + rows)
            start += rows


def _descending(counts: Counts) -> Index:
    """The stable permutation that sorts counts, highest first."""
    # Most tokens are rare, and finding all rows of one count takes far less than sorting them.
    large: Index = np.flatnonzero(counts > _RARE)
    large = large[np.argsort(-counts[large], kind="stable")]
    rare = [np.flatnonzero(counts == count) for count in range(_RARE, 0, -1)]
    return np.concatenate([large, *rare])


def _bytes_before(kind: Kind, column: Column) -> Counts:
    """Bytes of the keys before every row, and of all, [rows + 1]."""
    if isinstance(kind, Words):
        return np.arange(kind.rows(column) + 1, dtype=np.int64) * (8 * kind.words)
    offsets, _ = contents(column)
    before: Counts = offsets - offsets[0]
    return before
