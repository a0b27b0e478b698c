"""From words to ids, a block of text at a time.

A word is cut into pieces of eight bytes, each of them a number, and the pieces are looked up one
after the other among those that go on from the pieces before: exact for words of any length, and
array operations only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.vocab.scheme import SPARE, Slices, windows

Ids = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

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
    pieces: "_Table"
    states: "_Table"
    ids: Ids


class Lookup:
    """The ids of words.

    Args:
        tokens: different ones, none of them empty; the position is the id.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        held = [token.encode() for token in tokens]
        lengths = np.fromiter(map(len, held), np.int64, len(held))
        buffer = np.frombuffer(b"".join(held) + bytes(SPARE), np.uint8)
        words = Slices(buffer, np.cumsum(lengths) - lengths, lengths)
        self._levels: list[_Level] = []
        state = np.zeros(len(held), np.int64)
        for some, pieces, ends in _pieces(words):
            known, rank = np.unique(pieces, return_inverse=True)
            states, place = np.unique(state[some] * len(known) + rank, return_inverse=True)
            ids = np.full(len(states), -1, np.int64)
            ids[place[ends]] = some[ends]
            state[some] = place
            table = _Table(states.astype(np.uint64))
            self._levels.append(_Level(len(known), _Table(known), table, ids))

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


def hashes(words: Slices, chosen: Ids) -> _Words:
    """64 bits that tell words apart, of those at ``chosen``."""
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


class _Table:
    """Where each of some different numbers stands: open addressing, for whole arrays.

    Linear probing finds a number within a few steps where half of the places are free (Knuth,
    The Art of Computer Programming 3, 6.4).
    """

    def __init__(self, known: _Words) -> None:
        self._known = known
        bits = (2 * len(known)).bit_length()
        self._shift, self._last = np.uint64(64 - bits), (1 << bits) - 1
        self._place = np.full(1 << bits, -1, np.int32)
        left = np.arange(len(known), dtype=np.int32)
        at = self._first(known)
        while len(left):
            free = self._place[at] < 0
            # Of several that want one place, the last gets it.
            self._place[at[free]] = left[free]
            lost = self._place[at] != left
            left, at = left[lost], (at[lost] + 1) & self._last

    def _first(self, asked: _Words) -> Ids:
        return ((asked * _MIX) >> self._shift).astype(np.int64)

    def find(self, asked: _Words) -> Ids:
        """The place of each number in what is known, -1 where it is not, [asked]."""
        at = self._first(asked)
        found = self._place[at].astype(np.int64)
        left = np.flatnonzero((found >= 0) & (self._known[found] != asked))
        while len(left):
            at[left] = (at[left] + 1) & self._last
            place = self._place[at[left]]
            found[left] = place
            left = left[(place >= 0) & (self._known[place] != asked[left])]
        return found
