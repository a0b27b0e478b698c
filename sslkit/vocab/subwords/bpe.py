"""Byte-level byte-pair encoding, learned from the counts of distinct words.

Sennrich et al. 2016: the pair of neighbours that occurs most often in the words, each as often as
it is counted, becomes a subword; and so on. Of equal pairs the one of the older subwords is first,
as in the tokenizers library, which learns the same from as many repetitions of every word. A word
is cut by the same merges in the order in which they were learned.

All words stand in one chain of symbols, and each merge is a handful of array operations on the
places that it changes.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.types import Spelling
from sslkit.vocab.subwords.pairs import Pairs, codes_of, sums
from sslkit.vocab.subwords.subwords import ALPHABET, Counts, Words

Places: TypeAlias = npt.NDArray[np.int32]

#: Letters of distinct words that are learned from, at most.
LEARNED = 1 << 21
_BASE = len(ALPHABET)
_SYMBOL = np.argsort(np.frombuffer(ALPHABET, np.uint8)).astype(np.int32)
_NEVER = np.int32(2**31 - 1)


class Bpe:
    """Merges in the order in which they are made; implements ``subwords.Method``.

    Args:
        pieces: each once, the 256 single bytes among them; another token than a piece is empty.
        merges: pairs of pieces by number, each of which makes a piece, [merges, 2].

    Raises:
        LookupError: they do not go together.
    """

    def __init__(self, pieces: Sequence[bytes], merges: Counts) -> None:
        self.pieces = pieces
        self.merges = merges
        number = {piece: place for place, piece in enumerate(pieces)}
        pairs = [(pieces[left], pieces[right]) for left, right in merges.tolist()]
        self._made = np.array([number[left + right] for left, right in pairs], np.int32)
        # A merge that makes what another one made may allow an earlier one, which comes first.
        self._again = np.ones(len(pairs), np.bool_)
        self._again[np.unique(self._made, return_index=True)[1]] = False
        codes = merges[:, 0] << 32 | merges[:, 1]
        self._order = np.argsort(codes).astype(np.int32)
        self._codes = np.append(codes[self._order], np.int64(-1))
        self._symbol = np.array([number[bytes([byte])] for byte in range(256)], np.int32)
        self._bytes = np.full((256, 256), _NEVER, np.int32)
        for rank, (left, right) in enumerate(pairs):
            if len(left) == len(right) == 1:
                self._bytes[left[0], right[0]] = rank

    def spelling(self, ids: Counts, size: int, special: int) -> Spelling:
        """The same of tokens by their ids, where ``ids`` are those of the pieces."""
        del size
        return Spelling(special, ids[self.merges], np.empty(0))

    def cut(self, words: Words) -> tuple[Counts, Counts]:
        """Numbers of pieces, and of the words that they are pieces of; in order within a word."""
        symbols = self._symbol[words.letters]
        place = np.repeat(np.arange(len(words.counts)), words.lengths)
        ranks = np.full(len(symbols), _NEVER)
        inside = place[1:] == place[:-1]
        ranks[:-1][inside] = self._bytes[words.letters[:-1], words.letters[1:]][inside]
        done: list[tuple[Counts, Counts]] = []
        while len(symbols):
            starts = np.flatnonzero(np.diff(place, prepend=-1))
            lengths = np.diff(starts, append=len(place))
            lowest = np.repeat(np.minimum.reduceat(ranks, starts), lengths)
            whole = lowest == _NEVER
            if whole.any():
                done.append((symbols[whole].astype(np.int64), place[whole]))
                going = ~whole
                symbols, place, ranks = symbols[going], place[going], ranks[going]
                lowest = lowest[going]
            if len(symbols):
                symbols, place, ranks = self._merge(symbols, place, ranks, lowest)
        if not done:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate([d for d, _ in done]), np.concatenate([p for _, p in done])

    def _merge(
        self, symbols: Places, place: Counts, ranks: Places, lowest: Places
    ) -> tuple[Places, Counts, Places]:
        """Make the first merge of every word, wherever it is possible in it."""
        at = np.flatnonzero(ranks == lowest)
        at = at[_alternate(at[1:] == at[:-1] + 1)]
        if self._again[ranks[at]].any():
            first = np.concatenate(([True], place[at[1:]] != place[at[:-1]]))
            at = at[first | ~self._again[ranks[at]]]
        symbols[at] = self._made[ranks[at]]
        keep = np.ones(len(symbols), np.bool_)
        keep[at + 1] = False
        at = (np.cumsum(keep) - 1)[at]
        symbols, place, ranks = symbols[keep], place[keep], ranks[keep]
        before = at[at > 0] - 1
        changed = np.concatenate((at, before))
        ranks[changed] = self._ranks(symbols, place, changed)
        return symbols, place, ranks

    def _ranks(self, symbols: Places, place: Counts, at: Counts) -> Places:
        """The ranks of the pairs that begin at some places."""
        found = np.full(len(at), _NEVER)
        inside = np.flatnonzero(at + 1 < len(symbols))
        inside = inside[place[at[inside]] == place[at[inside] + 1]]
        codes = symbols[at[inside]].astype(np.int64) << 32 | symbols[at[inside] + 1]
        spot = np.searchsorted(self._codes[:-1], codes)
        known = self._codes[spot] == codes
        found[inside[known]] = self._order[spot[known]]
        return found


def _alternate(follows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Every other one of places of which some follow the one before: no two of them overlap."""
    places = np.arange(len(follows) + 1)
    begins = np.maximum.accumulate(np.where(np.concatenate(([False], follows)), 0, places))
    even: npt.NDArray[np.bool_] = (places - begins) % 2 == 0
    return even


def memory(size: int) -> int:
    """Bytes that learning so many pieces may take."""
    return 80 * LEARNED + 512 * size


def learn(words: Words, size: int, least: int, check: Callable[[], None]) -> Bpe:
    """Learn pieces.

    Args:
        words: distinct words.
        size: pieces, the 256 bytes among them; fewer where nothing is left to merge.
        least: a pair that occurs more rarely is not merged.
        check: called for each merge; may end the work.
    """
    chain = _Chain(words)
    known = {bytes([byte]): number for number, byte in enumerate(ALPHABET)}
    pieces = list(known)
    merges: list[tuple[int, int]] = []
    while len(pieces) < size and (best := chain.best()) and best[0] >= least:
        check()
        _, left, right = best
        merges.append((left, right))
        piece = pieces[left] + pieces[right]
        made = known.setdefault(piece, len(pieces))
        if made == len(pieces):
            pieces.append(piece)
        chain.merge(left, right, made)
    return Bpe(pieces, np.array(merges, np.int64).reshape(-1, 2))


class _Chain:
    """Symbols of all words with their neighbours, and how often each pair of them occurs.

    Positions stand for symbols; one more position stands before and behind every word.
    """

    def __init__(self, words: Words) -> None:
        size = len(words.letters)
        self._symbols = np.append(_SYMBOL[words.letters], np.int32(-1))
        self._next = np.arange(1, size + 2, dtype=np.int32)
        self._before = np.arange(-1, size, dtype=np.int32)
        self._next[np.append(words.ends - 1, size)] = size
        self._before[np.append(words.ends - words.lengths, size)] = size
        self._word = np.repeat(np.arange(len(words.counts), dtype=np.int32), words.lengths)
        self._counts = words.counts
        order = np.argsort(self._symbols[:-1].astype(np.uint8), kind="stable").astype(np.int32)
        bounds = np.searchsorted(self._symbols[order], np.arange(_BASE + 1))
        self._where = {
            symbol: order[bounds[symbol] : bounds[symbol + 1]] for symbol in range(_BASE)
        }
        self._pairs = Pairs(*self._all_pairs())

    def _all_pairs(self) -> tuple[Counts, Counts]:
        starts = np.flatnonzero(self._symbols[self._next[:-1]] >= 0)
        codes = codes_of(self._symbols[starts], self._symbols[self._next[starts]])
        return sums(codes, self._counts[self._word[starts]])

    def best(self) -> tuple[int, int, int] | None:
        """The count and the symbols of the most frequent pair."""
        return self._pairs.best()

    def merge(self, left: int, right: int, made: int) -> None:
        """Put ``made`` for every pair."""
        symbols, after, before = self._symbols, self._next, self._before
        at = self._find(left, right)
        second = after[at]
        third, first = after[second], before[at]
        weights = self._counts[self._word[at]]
        # A place between two merged pairs is counted with the pair before it.
        joined = np.concatenate(([False], first[1:] == second[:-1]))
        on_left, on_right = (symbols[first] >= 0) & ~joined, symbols[third] >= 0
        gone = (
            codes_of(symbols[at], symbols[second]),
            codes_of(symbols[first[on_left]], symbols[at[on_left]]),
            codes_of(symbols[second[on_right]], symbols[third[on_right]]),
        )
        lost = (weights, weights[on_left], weights[on_right])
        self._pairs.subtract(*sums(np.concatenate(gone), np.concatenate(lost)))
        symbols[at], symbols[second] = made, -1
        after[at] = third
        before[third] = at  # of the position outside words too, where nobody looks
        first = before[at]
        joined = np.concatenate(([False], first[1:] == at[:-1]))
        on_left = (symbols[first] >= 0) & ~joined
        new = (
            codes_of(symbols[first[on_left]], symbols[at[on_left]]),
            codes_of(symbols[at[on_right]], symbols[third[on_right]]),
        )
        won = (weights[on_left], weights[on_right])
        self._pairs.add(made, *sums(np.concatenate(new), np.concatenate(won)))
        old = self._where.get(made)
        self._where[made] = at if old is None else np.sort(np.concatenate((old, at)))

    def _find(self, left: int, right: int) -> Places:
        """Where a pair begins, each symbol in one pair only."""
        newer = max(left, right)
        held = self._where[newer]
        held = held[self._symbols[held] == newer]
        self._where[newer] = held
        at: Places = held if newer == left else self._before[held]
        at = at[(self._symbols[at] == left) & (self._symbols[self._next[at]] == right)]
        if left == right:
            at = at[_alternate(self._next[at[:-1]] == at[1:])]
        return at
