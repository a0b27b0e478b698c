"""Byte-level unigram subwords, learned from the counts of distinct words.

Kudo 2018: a word is cut into the pieces whose product of probabilities is the largest. Pieces
begin as the substrings that cover most letters of the words; expectation maximisation fits their
probabilities, each word weighing as often as it is counted; and a quarter of the pieces, those
that would be missed least, is dropped, until as many are left as were asked for. Single bytes
always stay. A piece is missed by its expected count times how much less probable the best other
cut of it is.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sslkit.types import Spelling
from sslkit.vocab.subwords.lattice import Finder, Lattice, all_edges
from sslkit.vocab.subwords.subwords import ALPHABET, Counts, Words

#: Letters of distinct words that are learned from, at most: every letter begins many pieces.
LEARNED = 1 << 20
#: Substrings to begin with, for each piece that is wanted, and beyond those in all.
_SEEDS = 16
_MORE = 1 << 17
_KEPT = 0.75
_ROUNDS = 2
#: A byte that occurs nowhere still can: as if it had been met half a time.
_UNSEEN = 0.5
#: Digits of a log-probability that are kept, so that all processors come to the same.
_DIGITS = 6
_BASE = len(ALPHABET)
#: Longer words are not learned from.
_LONGEST_WORD = 128

Floats = npt.NDArray[np.float64]


class Unigram:
    """Pieces with log-probabilities; implements ``subwords.Method``.

    Args:
        pieces: each once, the 256 single bytes among them; another token than a piece is empty.
        scores: [pieces].
    """

    def __init__(self, pieces: Sequence[bytes], scores: Floats) -> None:
        self.pieces = pieces
        self.scores = scores
        self._finder = Finder(pieces)

    def spelling(self, ids: Counts, size: int, special: int) -> Spelling:
        """The same of ``size`` tokens, where ``ids`` are those of the pieces."""
        scores = np.full(size, -np.inf)
        scores[ids] = self.scores
        return Spelling(special, np.empty((0, 2), np.int64), scores)

    def cut(self, words: Words) -> tuple[Counts, Counts]:
        """Numbers of pieces, and of the words that they are pieces of; in order within a word."""
        return Lattice(words, self._finder.edges(words)).best(self.scores)[1:]


def memory(size: int) -> int:
    """Bytes that learning so many pieces may take."""
    return 288 * LEARNED + 1024 * _seeds(size)


def _seeds(size: int) -> int:
    return min(_SEEDS * size, size + _MORE)


def learn(words: Words, size: int, least: int, check: Callable[[], None]) -> Unigram:
    """Learn pieces.

    Args:
        words: distinct words.
        size: pieces, the 256 bytes among them; fewer where the words have fewer substrings.
        least: a substring that occurs more rarely is no piece.
        check: called before each round; may end the work.
    """
    words = _short(words)
    pieces, edges = all_edges(words, _seeds(size), max(least, 2))
    lattice = Lattice(words, edges)
    counts: Floats = np.zeros(len(pieces))
    np.add.at(counts, edges.piece, words.counts[edges.word])
    scores = _scores(counts)
    while len(pieces) > size:
        check()
        scores, counts = _fit(lattice, scores)
        kept = _kept(Unigram(pieces, scores), counts, max(size, int(len(pieces) * _KEPT)))
        pieces = [pieces[place] for place in kept]
        scores = _scores(counts[kept])
        lattice.keep(kept)
    scores, _ = _fit(lattice, scores)
    return Unigram(pieces, np.round(scores, _DIGITS))


def _short(words: Words) -> Words:
    """The words that are not too long to be learned from."""
    keep = words.lengths <= _LONGEST_WORD
    letters = words.letters[np.repeat(keep, words.lengths)]
    return Words(letters, np.cumsum(words.lengths[keep]), words.counts[keep])


def _fit(lattice: Lattice, scores: Floats) -> tuple[Floats, Floats]:
    """Some rounds of expectation and maximisation; the last expected counts, too."""
    counts = scores
    for _ in range(_ROUNDS):
        counts = lattice.expected(scores)
        scores = _scores(counts)
    return scores, counts


def _scores(counts: Floats) -> Floats:
    counts = np.maximum(counts, _UNSEEN)
    found: Floats = np.log(counts / counts.sum())
    return found


def _kept(method: Unigram, counts: Floats, size: int) -> Counts:
    """The numbers of the pieces that would be missed most, and of all bytes; ascending."""
    longer = method.pieces[_BASE:]
    letters = np.frombuffer(b"".join(longer), np.uint8)
    ends = np.cumsum([len(piece) for piece in longer])
    words = Words(letters, ends, np.ones(len(longer), np.int64))
    edges = Finder(method.pieces).edges(words)
    edges = edges.take(edges.piece != _BASE + edges.word)
    others = Lattice(words, edges).best(method.scores)[0]
    missed = counts[_BASE:] * (method.scores[_BASE:] - others)
    order = np.argsort(-missed, kind="stable")[: size - _BASE]
    return np.concatenate((np.arange(_BASE), _BASE + np.sort(order)))
