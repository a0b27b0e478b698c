"""All ways to cut words into pieces, as a graph, for all words of a batch at once.

The nodes are the borders between letters, one more than letters in every word; an edge is a piece
that stands between two of them. Edges are in order of how far from the beginning of their word
they end, so that one array operation per distance serves all words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sslkit.vocab.subwords.subwords import ALPHABET, Counts, Words

Floats = npt.NDArray[np.float64]
_Keys = npt.NDArray[np.uint64]

#: Bytes of a piece, at most.
LONGEST = 16
_KEEP = np.array([0, *((2**64 - 2 ** (64 - 8 * n)) for n in range(1, 9))], np.uint64)
_BASE = len(ALPHABET)


@dataclass(frozen=True)
class Edges:
    """Pieces in words.

    Attributes:
        start: the letter that each begins with, among those of all words, [edges] int32.
        size: its letters, [edges] int8.
        piece: its number, [edges] int32.
        word: the word it is in, [edges] int32.
    """

    start: npt.NDArray[np.int32]
    size: npt.NDArray[np.int8]
    piece: npt.NDArray[np.int32]
    word: npt.NDArray[np.int32]

    def take(self, which: npt.NDArray[np.bool_]) -> "Edges":
        """Some of them."""
        return Edges(self.start[which], self.size[which], self.piece[which], self.word[which])


class Lattice:
    """Words and the edges in them; every word can be cut."""

    def __init__(self, words: Words, edges: Edges) -> None:
        self._words = words
        starts = words.ends - words.lengths
        ends = edges.start - starts[edges.word] + edges.size
        first, last = edges.start + edges.word, edges.start + edges.word + edges.size
        # Of edges to one node the longest is first.
        order = np.lexsort((first, last, ends))
        self._from, self._to = first[order], last[order]
        self._piece = edges.piece[order]
        self._bounds = np.searchsorted(ends[order], np.arange(int(ends.max(initial=0)) + 2))
        self._first = starts + np.arange(len(starts))
        self._last = self._first + words.lengths
        self._nodes = len(words.letters) + len(starts)

    def keep(self, kept: Counts) -> None:
        """Drop all edges but those of some pieces, which get new numbers in their order."""
        number = np.full(int(self._piece.max(initial=-1)) + 1, -1, np.int32)
        number = np.concatenate((number, np.full(int(kept[-1]) + 1, -1, np.int32)))
        number[kept] = np.arange(len(kept))
        alive = number[self._piece] >= 0
        self._bounds = np.concatenate(([0], np.cumsum(alive)))[self._bounds]
        self._from, self._to = self._from[alive], self._to[alive]
        self._piece = number[self._piece[alive]]

    def expected(self, scores: Floats) -> Floats:
        """How often each piece is to be expected over all cuts of all words, [pieces]."""
        total = np.full(self._nodes, -np.inf)
        total[self._first] = 0.0
        for step in self._steps():
            values = total[self._from[step]] + scores[self._piece[step]]
            groups, numbers = _groups(self._to[step])
            highest = np.maximum.reduceat(values, groups)
            sums = np.add.reduceat(np.exp(values - highest[numbers]), groups)
            total[self._to[step][groups]] = highest + np.log(sums)
        found = np.zeros(len(scores))
        weight = np.zeros(self._nodes)
        weight[self._last] = self._words.counts
        for step in reversed(self._steps()):
            start, end, piece = self._from[step], self._to[step], self._piece[step]
            share = weight[end] * np.exp(total[start] + scores[piece] - total[end])
            np.add.at(found, piece, share)
            np.add.at(weight, start, share)
        return found

    def best(self, scores: Floats) -> tuple[Floats, Counts, Counts]:
        """The score of the best cut of each word; its pieces, and the words they are in."""
        total = np.full(self._nodes, -np.inf)
        total[self._first] = 0.0
        back = np.zeros(self._nodes, np.int64)
        for step in self._steps():
            values = scores[self._piece[step]] + total[self._from[step]]
            groups, numbers = _groups(self._to[step])
            highest = np.maximum.reduceat(values, groups)
            best = np.flatnonzero(values == highest[numbers])
            best = best[np.diff(numbers[best], prepend=-1) > 0]
            nodes = self._to[step][groups]
            total[nodes] = highest
            back[nodes] = step.start + best
        pieces, places = [], []
        place = np.arange(len(self._last))
        node = self._last
        while len(node):
            edge = back[node]
            pieces.append(self._piece[edge])
            places.append(place)
            node = self._from[edge].astype(np.int64)
            going = node != self._first[place]
            node, place = node[going], place[going]
        none = [np.empty(0, np.int64)]
        joined = np.concatenate(pieces or none), np.concatenate(places or none)
        return total[self._last], joined[0][::-1].astype(np.int64), joined[1][::-1]

    def _steps(self) -> list[slice]:
        """The edges that end at each distance from the beginning of their words."""
        bounds = self._bounds.tolist()
        return [slice(start, end) for start, end in pairwise(bounds) if end > start]


def _groups(nodes: npt.NDArray[np.int32]) -> tuple[Counts, Counts]:
    """Where stretches of equal nodes begin, and the number of its stretch for each of them."""
    changes = np.diff(nodes, prepend=-1) != 0
    return np.flatnonzero(changes), np.cumsum(changes) - 1


def _windows(words: Words) -> tuple[_Keys, _Keys, npt.NDArray[np.int64]]:
    """The 16 bytes from every letter on as two numbers, and how many of them are in its word."""
    padded = np.zeros(len(words.letters) + 16, np.uint8)
    padded[: len(words.letters)] = words.letters
    high = np.ndarray((len(words.letters) + 8,), "<u8", padded, strides=(1,)).byteswap()
    room = np.repeat(words.ends, words.lengths) - np.arange(len(words.letters))
    return high[:-8], high[8:], room


def _masked(keys: tuple[_Keys, _Keys], size: int) -> tuple[_Keys, _Keys]:
    return keys[0] & _KEEP[min(size, 8)], keys[1] & _KEEP[max(size - 8, 0)]


def _mixed(high: _Keys, low: _Keys) -> _Keys:
    """One number that two keys share only by a rare accident; the first where that says all."""
    return high ^ (low * np.uint64(0x9E3779B97F4A7C15))


class Lookup:
    """Finds pieces in words.

    Every beginning of a piece is in a table by its size, so that a search goes on only while a
    piece may still come of it.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        numbers: list[dict[bytes, int]] = [{} for _ in range(LONGEST + 1)]
        for piece in pieces:
            for size in range(1, len(piece)):
                numbers[size].setdefault(piece[:size], -1)
        for number, piece in enumerate(pieces):
            numbers[len(piece)][piece] = number
        self._tables = [_Table(held) for held in numbers if held]

    def edges(self, words: Words) -> Edges:
        """All pieces in all words."""
        high, low, room = _windows(words)
        alive = np.arange(len(room))
        place = np.repeat(np.arange(len(words.counts), dtype=np.int32), words.lengths)
        found = []
        for size, table in enumerate(self._tables, 1):
            alive = alive[room[alive] >= size]
            there, piece = table.find(*_masked((high[alive], low[alive]), size))
            alive, piece = alive[there], piece[there]
            at = alive[piece >= 0]
            sizes = np.full(len(at), size, np.int8)
            found.append(Edges(at.astype(np.int32), sizes, piece[piece >= 0], place[at]))
        return _together(found)


class _Table:
    """Numbers of byte strings of one size."""

    def __init__(self, numbers: dict[bytes, int]) -> None:
        joined = b"".join(text.ljust(LONGEST, b"\0") for text in numbers)
        keys = np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2)
        mixed = _mixed(keys[:, 0], keys[:, 1])
        order = np.argsort(mixed, kind="stable")
        self._mixed = mixed[order]
        self._keys = keys[order].T.copy()
        self._numbers = np.fromiter(numbers.values(), np.int32, len(numbers))[order]

    def find(self, high: _Keys, low: _Keys) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
        """Which keys are there, and their numbers, which are -1 for mere beginnings."""
        mixed = _mixed(high, low)
        spot = np.minimum(np.searchsorted(self._mixed, mixed), len(self._mixed) - 1)
        # Of strings that are mixed alike only the first would be found: all are tried.
        there = (self._keys[0][spot] == high) & (self._keys[1][spot] == low)
        while (
            again := ~there & (self._mixed[spot] == mixed) & (spot + 1 < len(self._mixed))
        ).any():
            spot = np.where(again, spot + 1, spot)
            there = (self._keys[0][spot] == high) & (self._keys[1][spot] == low)
        return there, self._numbers[spot]


def all_edges(words: Words, most: int, least: int) -> tuple[list[bytes], Edges]:
    """The substrings that cover most letters, as pieces, and where they stand.

    Left out is what occurs only at the beginning of one longer substring.

    Args:
        most: pieces, beyond those of one byte, which come first, in the order of ALPHABET.
        least: how often a longer one must occur.
    """
    letters = words.letters.astype(np.int64)
    word = np.repeat(np.arange(len(words.counts), dtype=np.int32), words.lengths)
    room = np.repeat(words.ends, words.lengths) - np.arange(len(letters))
    weights = np.repeat(words.counts, words.lengths)
    at, group = np.arange(len(letters), dtype=np.int32), letters
    met = np.bincount(letters, minlength=_BASE)
    levels: list[_Level] = []
    for size in range(2, LONGEST + 1):
        going = room[at] >= size
        at, before = at[going], group[going]
        codes, group = np.unique(before << 8 | letters[at + size - 1], return_inverse=True)
        met_before, met = met, np.zeros(len(codes), np.int64)
        np.add.at(met, group, weights[at])
        if levels:
            levels[-1].wanted[codes[met == met_before[codes >> 8]] >> 8] = False
        levels.append(_Level(size, at, group.astype(np.int32), met, met >= least))
        going = met[group] >= least
        at, group = at[going], group[going]
    return _chosen(words, levels, most, word)


@dataclass(frozen=True)
class _Level:
    """The substrings of one size: where they begin, which is which, and how often each is met."""

    size: int
    at: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    met: Counts
    wanted: npt.NDArray[np.bool_]


def _chosen(
    words: Words, levels: list[_Level], most: int, word: npt.NDArray[np.int32]
) -> tuple[list[bytes], Edges]:
    """The substrings that cover most letters, those of one byte first."""
    pieces = [bytes([byte]) for byte in ALPHABET]
    letters = np.arange(len(words.letters), dtype=np.int32)
    number = np.argsort(np.frombuffer(ALPHABET, np.uint8)).astype(np.int32)
    found = [Edges(letters, np.ones(len(letters), np.int8), number[words.letters], word)]
    covered = np.concatenate([np.where(v.wanted, v.met * v.size, 0) for v in levels])
    best = np.argsort(-covered, kind="stable")[:most]
    chosen = np.zeros(len(covered), np.bool_)
    chosen[best[covered[best] > 0]] = True
    start = 0
    for level in levels:
        mine = np.flatnonzero(chosen[start : start + len(level.met)])
        start += len(level.met)
        numbers = np.full(len(level.met), -1, np.int32)
        numbers[mine] = len(pieces) + np.arange(len(mine))
        example = np.zeros(len(level.met), np.int64)
        example[level.group] = level.at
        pieces += [words.letters[p : p + level.size].tobytes() for p in example[mine].tolist()]
        at = level.at[numbers[level.group] >= 0]
        piece = numbers[level.group]
        sizes = np.full(len(at), level.size, np.int8)
        found.append(Edges(at, sizes, piece[piece >= 0], word[at]))
    return pieces, _together(found)


def _together(found: Sequence[Edges]) -> Edges:
    return Edges(
        np.concatenate([edges.start for edges in found]),
        np.concatenate([edges.size for edges in found]),
        np.concatenate([edges.piece for edges in found]),
        np.concatenate([edges.word for edges in found]),
    )
