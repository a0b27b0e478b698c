"""From words to ids, a block of text at a time.

A word is cut into pieces of eight bytes, each of them a number, and the pieces are looked up one
after the other among those that go on from the pieces before: exact for words of any length, and
array operations only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.vocab.scheme import SPARE, Slices, windows

Ids = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]
_Number = TypeVar("_Number", bound=np.generic)

_BYTES = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)
_KEEP = np.array([0, *((1 << 8 * n) - 1 for n in range(1, 9))], np.uint64)


@dataclass(frozen=True)
class _Level:
    """The pieces that can stand at one place of a word.

    Attributes:
        count: how many different ones there are.
        pieces: which one each is.
        states: from (state before) x (number of pieces) + (piece) to a state.
        ids: of the word that ends in each state, else -1.
    """

    count: int
    pieces: "Table"
    states: "Table"
    ids: Ids


class Lookup:
    """The ids of words.

    Args:
        tokens: different ones, none of them empty; the position is the id.
    """

    def __init__(self, tokens: Sequence[str] | Sequence[bytes]) -> None:
        words = slices([t if isinstance(t, bytes) else t.encode() for t in tokens])
        self._levels: list[_Level] = []
        state = np.zeros(len(tokens), np.int64)
        for some, pieces, ends in _pieces(words):
            known, rank = np.unique(pieces, return_inverse=True)
            states, place = np.unique(state[some] * len(known) + rank, return_inverse=True)
            ids = np.full(len(states), -1, np.int64)
            ids[place[ends]] = some[ends]
            state[some] = place
            table = Table(states.astype(np.uint64))
            self._levels.append(_Level(len(known), Table(known), table, ids))

    def ids(self, words: Slices) -> Ids:
        """The id of every word, -1 for one that is not there, [words]."""
        found = np.full(len(words.starts), -1, np.int64)
        state = np.zeros(len(words.starts), np.int64)
        for (some, pieces, ends), level in zip(_pieces(words), self._levels, strict=False):
            before = state[some]
            place = level.pieces.find(pieces)
            # At the first level all begin in one state.
            if level is not self._levels[0]:
                lost = (place < 0) | (before < 0)
                place = level.states.find((before * level.count + place).astype(np.uint64))
                place[lost] = -1
            state[some] = place
            hits = ends & (place >= 0)
            found[some[hits]] = level.ids[place[hits]]
        return found


def slices(words: Sequence[bytes]) -> Slices:
    """Words as stretches of a buffer."""
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    buffer = np.frombuffer(b"".join(words) + bytes(SPARE), np.uint8)
    return Slices(buffer, np.cumsum(lengths) - lengths, lengths)


def hashes(words: Slices, chosen: Ids) -> _Words:
    """64 bits that tell words apart, of those at ``chosen``; exactly, for words of eight bytes."""
    picked = Slices(words.buffer, words.starts[chosen], words.lengths[chosen])
    values = np.zeros(len(chosen), np.uint64)
    for some, pieces, _ in _pieces(picked):
        values[some] = rng.mix(values[some] ^ pieces)
    return values


def _pieces(words: Slices) -> Iterator[tuple[Ids, _Words, npt.NDArray[np.bool_]]]:
    """The first, second, ... pieces: of which words, their numbers, whether words end there."""
    view = windows(words.buffer)
    some = np.arange(len(words.starts))
    starts, left = words.starts, words.lengths
    while len(some):
        yield some, view[starts] & _KEEP[np.minimum(left, _BYTES)], left <= _BYTES
        more = left > _BYTES
        some, starts, left = some[more], starts[more] + _BYTES, left[more] - _BYTES


class Table:
    """Where each of some different numbers stands: open addressing, for whole arrays.

    Linear probing finds a number within a few steps where half of the places are free (Knuth,
    The Art of Computer Programming 3, 6.4).
    """

    def __init__(self, known: _Words) -> None:
        self._known = known[:0]
        self._size = self._last = 0
        self.add(known)

    def __len__(self) -> int:
        return self._size

    def add(self, numbers: _Words) -> None:
        """Put different numbers, none of which is there, behind the others."""
        left = np.arange(self._size, self._size + len(numbers), dtype=np.int32)
        self._known = extended(self._known, self._size, numbers)
        self._size += len(numbers)
        if self._size == len(numbers) or 2 * self._size > self._last:
            bits = (2 * self._size + 1).bit_length()
            self._shift, self._last = np.uint64(64 - bits), (1 << bits) - 1
            self._place = np.full(1 << bits, -1, np.int32)
            left = np.arange(self._size, dtype=np.int32)
        at = self._first(self._known[left])
        while len(left):
            free = self._place[at] < 0
            # Of several that want one place, the last gets it.
            self._place[at[free]] = left[free]
            lost = self._place[at] != left
            left, at = left[lost], (at[lost] + 1) & self._last

    def _first(self, numbers: _Words) -> Ids:
        return ((numbers * _MIX) >> self._shift).astype(np.int64)

    def find(self, numbers: _Words) -> Ids:
        """The place of each number among those that are there, or -1, [numbers]."""
        if not self._size:
            return np.full(len(numbers), -1, np.int64)
        at = self._first(numbers)
        found = self._place[at].astype(np.int64)
        left = np.flatnonzero((found >= 0) & (self._known[found] != numbers))
        while len(left):
            at[left] = (at[left] + 1) & self._last
            place = self._place[at[left]]
            found[left] = place
            left = left[(place >= 0) & (self._known[place] != numbers[left])]
        return found


def extended(
    array: npt.NDArray[_Number], size: int, more: npt.NDArray[_Number]
) -> npt.NDArray[_Number]:
    """The first ``size`` numbers of an array, then more: the same array where it has the room."""
    end = size + len(more)
    if end > len(array):
        room = np.empty(2 * end if size else end, array.dtype)
        room[:size] = array[:size]
        array = room
    array[size:end] = more
    return array
