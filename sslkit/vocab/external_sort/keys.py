"""Keys of two kinds that sort as the tokens they stand for: machine words and byte strings.

``Words(n)`` are tokens of up to 8 n bytes as n big-endian 64-bit words, the first one highest,
padded with zeros (k-mers are such words already); ``Bytes`` are Arrow arrays for longer tokens.
Merging and sorting know keys only through these two.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sslkit.vocab.external_sort.columns import Index, binary, contents, integers, numbers

Counts: TypeAlias = npt.NDArray[np.int64]
#: A column of keys: [words, rows] uint64 of ``Words``, a large binary array of ``Bytes``.
Column: TypeAlias = Any


class Kind(Protocol):
    """What merging must know of a kind of key."""

    @property
    def name(self) -> str:
        """How files call it."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings of the files that hold a column."""
        ...

    def rows(self, column: Column) -> int:
        """How many keys."""
        ...

    def memory(self, column: Column) -> int:
        """Memory of a column."""
        ...

    def cut(self, column: Column, start: int, end: int) -> Column:
        """A stretch of rows, without copying."""
        ...

    def join(self, columns: Sequence[Column]) -> Column:
        """Columns one after the other."""
        ...

    def take(self, column: Column, index: Index) -> Column:
        """Rows by number."""
        ...

    def order(self, column: Column) -> Index:
        """The stable permutation that sorts a column."""
        ...

    def changes(self, column: Column) -> npt.NDArray[np.bool_]:
        """Whether each row but the first differs from the one before, [rows - 1]."""
        ...

    def last(self, column: Column) -> Any:
        """The last key, comparable with other keys of the kind."""
        ...

    def upto(self, column: Column, key: Any) -> int:
        """How many rows of a sorted column are not above ``key``."""
        ...

    def write(self, column: Column, files: Sequence[IO[bytes]]) -> None:
        """Append a column to its files."""
        ...

    def read(self, paths: Sequence[Path], start: int, rows: int, most: int) -> Column:
        """Rows of a column's files; fewer where they end, or take more than ``most`` bytes."""
        ...


class Words:
    """Keys of a fixed number of 64-bit words."""

    def __init__(self, words: int) -> None:
        self.words = words

    @property
    def name(self) -> str:
        """words1, words2."""
        return f"words{self.words}"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """One file per word."""
        return tuple(f".word{number}" for number in range(self.words))

    def rows(self, column: Column) -> int:
        """How many keys."""
        return int(column.shape[1])

    def memory(self, column: Column) -> int:
        """Memory of a column."""
        return int(column.nbytes)

    def cut(self, column: Column, start: int, end: int) -> Column:
        """A stretch of rows."""
        return column[:, start:end]

    def join(self, columns: Sequence[Column]) -> Column:
        """Columns one after the other."""
        return np.concatenate(columns, axis=1)

    def take(self, column: Column, index: Index) -> Column:
        """Rows by number."""
        taken = np.empty((self.words, len(index)), np.uint64)
        for word, out in zip(column, taken, strict=True):
            # With another mode, take would go through a copy.
            np.take(word, index, out=out, mode="clip")
        return taken

    def order(self, column: Column) -> Index:
        """The stable permutation that sorts a column."""
        if self.words == 1:
            # What is sorted here are sorted pieces one after the other: timsort merges them.
            return np.argsort(column[0], kind="stable")
        return order_words(column)

    def changes(self, column: Column) -> npt.NDArray[np.bool_]:
        """Whether each row but the first differs from the one before."""
        found = column[0, 1:] != column[0, :-1]
        for word in column[1:]:
            found |= word[1:] != word[:-1]
        return np.asarray(found)

    def last(self, column: Column) -> Any:
        """The last key as a tuple of integers."""
        return tuple(int(word[-1]) for word in column)

    def upto(self, column: Column, key: Any) -> int:
        """How many rows are not above ``key``."""
        low, high = 0, self.rows(column)
        for word, value in zip(column, key, strict=True):
            # Rows before ``low`` are below the key, those from ``low`` to ``high`` still tie.
            part, wanted = word[low:high], np.uint64(value)
            high = low + int(np.searchsorted(part, wanted, side="right"))
            low += int(np.searchsorted(part, wanted, side="left"))
        return high

    def write(self, column: Column, files: Sequence[IO[bytes]]) -> None:
        """Append every word to its file."""
        for word, stream in zip(column, files, strict=True):
            stream.write(np.ascontiguousarray(word).data)

    def read(self, paths: Sequence[Path], start: int, rows: int, most: int) -> Column:
        """Rows of a column's files."""
        rows = min(rows, max(1, most // (8 * self.words)))
        return np.stack([np.fromfile(path, np.uint64, rows, offset=8 * start) for path in paths])


class Bytes:
    """Keys of any length."""

    name = "bytes"
    suffixes = (".ends", ".data")

    def rows(self, column: Column) -> int:
        """How many keys."""
        return len(column)

    def memory(self, column: Column) -> int:
        """Memory of a column."""
        return int(column.nbytes)

    def cut(self, column: Column, start: int, end: int) -> Column:
        """A stretch of rows."""
        return column.slice(start, end - start)

    def join(self, columns: Sequence[Column]) -> Column:
        """Columns one after the other."""
        return pa.concat_arrays(columns)

    def take(self, column: Column, index: Index) -> Column:
        """Rows by number."""
        return column.take(integers(index))

    def order(self, column: Column) -> Index:
        """The permutation that sorts a column; equal rows are alike, so it may be unstable."""
        return numbers(pc.array_sort_indices(column)).astype(np.int64)

    def changes(self, column: Column) -> npt.NDArray[np.bool_]:
        """Whether each row but the first differs from the one before."""
        if len(column) < 2:
            return np.empty(0, np.bool_)
        return numbers(pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)))

    def last(self, column: Column) -> Any:
        """The last key as bytes."""
        return column[len(column) - 1].as_py()

    def upto(self, column: Column, key: Any) -> int:
        """How many rows are not above ``key``."""
        low, high = 0, len(column)
        while low < high:
            middle = (low + high) // 2
            if column[middle].as_py() <= key:
                low = middle + 1
            else:
                high = middle
        return low

    def write(self, column: Column, files: Sequence[IO[bytes]]) -> None:
        """Append where every key ends, and all bytes."""
        ends, data = files
        offsets, letters = contents(column)
        ends.write((offsets[1:] - offsets[0] + data.tell()).data)
        data.write(letters.data)

    def read(self, paths: Sequence[Path], start: int, rows: int, most: int) -> Column:
        """Rows of a column's files."""
        ends, data = paths
        if start:
            offsets = np.fromfile(ends, np.int64, rows + 1, offset=8 * (start - 1))
        else:
            held = np.fromfile(ends, np.int64, rows)
            offsets = np.concatenate((np.zeros(1, np.int64), held))
        first = int(offsets[0])
        kept = max(2, int(np.searchsorted(offsets, first + most, side="right")))
        offsets = offsets[:kept] - first
        return binary(offsets, np.fromfile(data, np.uint8, int(offsets[-1]), offset=first))


def order_words(column: npt.NDArray[np.uint64]) -> Index:
    """The stable permutation that sorts rows of several words, [words, rows].

    Radix sort from the lowest digits up. A digit is as many bits as are left when the row's place
    takes its share of 64, so that one plain sort of numbers (fast) moves keys and places at once;
    an indirect sort (slow) is never asked for.
    """
    words, rows = column.shape
    place_bits = max(1, (rows - 1).bit_length()) if rows else 1
    digit_bits = 64 - place_bits
    order = np.arange(rows, dtype=np.int64)
    places = np.arange(rows, dtype=np.uint64)
    mask = np.uint64((1 << place_bits) - 1)
    for low in range(0, 64 * words, digit_bits):
        digit = _bits(column, low, digit_bits)
        if rows and digit.min() == digit.max():
            continue
        packed = (digit[order] << np.uint64(place_bits)) | places
        packed.sort()
        order = order[(packed & mask).astype(np.int64)]
    return order


def _bits(column: npt.NDArray[np.uint64], low: int, count: int) -> npt.NDArray[np.uint64]:
    """``count`` bits of every row's number, from bit ``low`` (0 is the lowest) on."""
    words = len(column)
    index, shift = words - 1 - low // 64, low % 64
    found: npt.NDArray[np.uint64] = column[index] >> np.uint64(shift)
    if shift and index:
        found = found | (column[index - 1] << np.uint64(64 - shift))
    found &= np.uint64((1 << count) - 1)
    return found


def group(kind: Kind, column: Column, counts: Counts) -> tuple[Column, Counts]:
    """Sort rows by key and add up the counts of equal keys."""
    order = kind.order(column)
    return add_up(kind, kind.take(column, order), counts[order])


def add_up(kind: Kind, column: Column, counts: Counts) -> tuple[Column, Counts]:
    """Add up the counts of equal neighbours."""
    first = np.flatnonzero(np.concatenate(([True], kind.changes(column))))
    if len(first) == len(counts):
        return column, counts
    return kind.take(column, first), np.add.reduceat(counts, first)


KINDS: dict[str, Kind] = {kind.name: kind for kind in (Words(1), Words(2), Bytes())}
