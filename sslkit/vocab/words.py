"""Counting tokens that are stretches of bytes: words, operators, atoms, residues, lines.

A token of up to 8 bytes is one big-endian 64-bit number and one of up to 16 is two, so that they
are counted by sorting numbers; only the few longer ones are handled as byte strings. Those of one
byte, which most tokens of source code are, have a table. No token holds the byte 0, so padding with
zeros neither merges two tokens nor changes their order.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sslkit.vocab.external_sort import runs
from sslkit.vocab.external_sort.buffer import Buffer
from sslkit.vocab.external_sort.columns import Index, binary, numbers
from sslkit.vocab.external_sort.keys import Bytes, Column, Counts, Kind, Words, add_up, group
from sslkit.vocab.external_sort.runs import Run
from sslkit.vocab.scheme import Slices, windows

SHORT, PAIR, LONG = Words(1), Words(2), Bytes()
_KEEP = np.array([0, *((2**64 - 2 ** (64 - 8 * n)) for n in range(1, 9))], np.uint64)
_MIX_1 = np.uint64(0x9E3779B97F4A7C15)
_MIX_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_CHUNK = 1 << 18
# Tokens of one byte, and where it stands in the number of a token.
_SINGLE, _HIGH = 256, np.uint64(56)
#: Memory that sorting a store takes, as a multiple of the store.
STORE_PEAK = 5


class Store:
    """Distinct keys of one kind with their counts, in pieces; a key may stand in several."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._pieces: list[tuple[Column, Counts]] = []
        self.bytes = 0

    def add(self, column: Column, counts: Counts) -> None:
        """Keep a piece."""
        self._pieces.append((column, counts))
        self.bytes += self._kind.memory(column) + counts.nbytes

    def chunks(self) -> Iterator[tuple[Column, Counts]]:
        """Everything, sorted and grouped; the store is empty then."""
        if not self._pieces:
            return
        column = self._kind.join([column for column, _ in self._pieces])
        counts = np.concatenate([counts for _, counts in self._pieces])
        self._pieces, self.bytes = [], 0
        column, counts = group(self._kind, column, counts)
        for start in range(0, len(counts), _CHUNK):
            end = min(start + _CHUNK, len(counts))
            yield self._kind.cut(column, start, end), counts[start:end]


class Counter:
    """Counts slices within a number of bytes.

    Args:
        memory: bytes for what is counted and for sorting it; a block comes on top.
        block: most tokens that ``add`` is given at once.
    """

    def __init__(self, memory: int, block: int) -> None:
        self._block = block
        short = memory * 45 // 100
        self._short = Buffer(max(short // 8, 2 * block) + _SINGLE)
        self._single = np.zeros(_SINGLE, np.int64)
        self._pairs = np.empty((2, 1 << (20 if memory >= 256 << 20 else 18)), np.uint64)
        self._held = 0
        self._pair_store = Store(PAIR)
        self._long_store = Store(LONG)
        self._limit = (memory - short) // STORE_PEAK

    def full(self) -> bool:
        """Whether ``write`` must come before the next ``add``."""
        stored = self._pair_store.bytes + self._long_store.bytes
        return self._short.room() < self._block + _SINGLE or stored > self._limit

    def add(self, slices: Slices) -> None:
        """Count tokens."""
        starts, lengths = self._longer(slices)
        view = windows(slices.buffer)
        first = view[starts].byteswap()
        first &= _KEEP.take(lengths, mode="clip")
        short = lengths <= 8
        if short.all():
            self._short.add(first)
            return
        self._short.add(first[np.flatnonzero(short)])
        middle = np.flatnonzero(~short & (lengths <= 16))
        second = view[starts[middle] + 8].byteswap() & _KEEP[lengths[middle] - 8]
        self._add_pairs(first[middle], second)
        long = np.flatnonzero(lengths > 16)
        if len(long):
            self._add_long(slices.buffer, starts[long], lengths[long])

    def end(self) -> None:
        """The stream ends here; no token waits for more of it."""

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs besides what was written: nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after ``write`` in another process."""

    def write(self, stem: Path, check: Callable[[], None]) -> list[Run]:
        """Write down everything counted, and forget it; too quick to be ended by ``check``."""
        del check
        self._flush_pairs()
        found = [
            runs.write_run(stem, SHORT, self._short_chunks()),
            runs.write_run(stem, PAIR, self._pair_store.chunks()),
            runs.write_run(stem, LONG, self._long_store.chunks()),
        ]
        return [run for run in found if run.rows]

    def _short_chunks(self) -> Iterator[tuple[Column, Counts]]:
        """Tokens of up to 8 bytes; each that the table counts stands once more among them."""
        self._short.add(np.flatnonzero(self._single).astype(np.uint64) << _HIGH)
        for column, counts in self._short.chunks():
            high = column[0] >> _HIGH
            single = np.flatnonzero((high << _HIGH) == column[0])
            number = high[single].view(np.int64)
            counts[single] += np.maximum(self._single[number] - 1, 0)
            yield column, counts
        self._single[:] = 0

    def _longer(self, slices: Slices) -> tuple[Index, Index]:
        """Count the tokens of one byte where they are many; starts and lengths of the others."""
        starts, lengths = slices.starts, slices.lengths
        single = lengths == 1
        if 4 * np.count_nonzero(single) < len(lengths):
            return starts, lengths
        # The others count as the byte 0, which is no token.
        found = np.bincount(slices.buffer[starts] * single, minlength=_SINGLE)
        self._single[1:] += found[1:]
        others = np.flatnonzero(~single)
        return starts[others], lengths[others]

    def _add_pairs(self, first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> None:
        start = 0
        while start < len(first):
            some = min(len(first) - start, self._pairs.shape[1] - self._held)
            place = slice(self._held, self._held + some)
            self._pairs[0, place] = first[start : start + some]
            self._pairs[1, place] = second[start : start + some]
            self._held, start = self._held + some, start + some
            if self._held == self._pairs.shape[1]:
                self._flush_pairs()

    def _flush_pairs(self) -> None:
        if self._held:
            self._pair_store.add(*_fewer(self._pairs[:, : self._held]))
            self._held = 0

    def _add_long(self, buffer: npt.NDArray[np.uint8], starts: Index, lengths: Index) -> None:
        counted = pc.value_counts(gather(buffer, starts, lengths))
        self._long_store.add(counted.field("values"), numbers(counted.field("counts")))


def _fewer(pairs: npt.NDArray[np.uint64]) -> tuple[Column, Counts]:
    """Pairs with most repetitions counted away, in no order.

    Equal pairs come together by sorting (hash | place). Where two hashes collide, a pair may
    stand in the result twice, which the store sorts out.
    """
    rows = pairs.shape[1]
    bits = np.uint64(max(1, (rows - 1).bit_length()))
    mask = (np.uint64(1) << bits) - np.uint64(1)
    mixed = (pairs[0] * _MIX_1) ^ (pairs[1] * _MIX_2)
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX_1
    mixed &= ~mask
    mixed |= np.arange(rows, dtype=np.uint64)
    mixed.sort()
    together = PAIR.take(pairs, (mixed & mask).astype(np.int64))
    return add_up(PAIR, together, np.ones(rows, np.int64))


def gather(buffer: npt.NDArray[np.uint8], starts: Index, lengths: Index) -> pa.Array:
    """Stretches of a buffer as a binary column."""
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return binary(offsets, buffer[places])
