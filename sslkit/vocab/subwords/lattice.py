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

from sslkit.vocab.lookup import Lookup
from sslkit.vocab.scheme import SPARE, Slices
from sslkit.vocab.subwords.subwords import ALPHABET, Counts, Words

Floats = npt.NDArray[np.float64]

#: Bytes of a piece, at most.
LONGEST = 16
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


class Finder:
    """Finds pieces in words.

    Every beginning of a piece is known as well, so that a search goes on only while a piece may
    still come of it.

    Args:
        pieces: each once; an empty one is nowhere.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        number = {piece[:size]: -1 for piece in pieces for size in range(1, len(piece))}
        number |= {piece: place for place, piece in enumerate(pieces) if piece}
        self._lookup = Lookup(list(number))
        self._number = np.fromiter(number.values(), np.int32, len(number))
        self._longest = max(map(len, pieces))

    def edges(self, words: Words) -> Edges:
        """All pieces in all words."""
        buffer = np.append(words.letters, np.zeros(SPARE, np.uint8))
        alive = np.arange(len(words.letters))
        left = np.repeat(words.ends, words.lengths) - alive
        place = np.repeat(np.arange(len(words.counts), dtype=np.int32), words.lengths)
        edges = []
        for size in range(1, self._longest + 1):
            alive = alive[left[alive] >= size]
            beginning = self._lookup.ids(Slices(buffer, alive, np.full(len(alive), size)))
            alive, beginning = alive[beginning >= 0], beginning[beginning >= 0]
            piece = self._number[beginning]
            at = alive[piece >= 0]
            sizes = np.full(len(at), size, np.int8)
            edges.append(Edges(at.astype(np.int32), sizes, piece[piece >= 0], place[at]))
        return _together(edges)


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
