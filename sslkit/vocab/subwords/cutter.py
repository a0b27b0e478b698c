"""Cuts the words of a text into pieces, as a vocabulary of pieces says, and remembers words.

Words of a text repeat: each is cut once and then known by a hash of 64 bits, which is exact for
words of up to eight bytes; that two longer ones among a million share one is less likely than a
changed bit of memory. A block of text then takes a handful of array operations.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sslkit.types import Spelling
from sslkit.vocab.lookup import Table, extended, hashes, slices
from sslkit.vocab.scheme import Slices
from sslkit.vocab.subwords.bpe import Bpe
from sslkit.vocab.subwords.subwords import Counts, Method, Words, batches, unspell
from sslkit.vocab.subwords.unigram import Unigram

#: Words that are remembered, about; then all are forgotten.
_REMEMBERED = 1 << 20


def method_of(tokens: Sequence[str], spelling: Spelling) -> Method:
    """What cuts words into pieces, which it numbers by their ids.

    Raises:
        LookupError, ValueError: the tokens are not the pieces that the spelling speaks of.
    """
    pieces = [unspell(token) for token in tokens]
    if not len(spelling.scores):
        if spelling.merges.min(initial=0) < 0:
            raise ValueError("merges are of ids from 0 on")
        return Bpe(pieces, spelling.merges)
    scores = spelling.scores
    if len(scores) != len(pieces) or np.isnan(scores).any():
        raise ValueError(f"{len(pieces)} pieces have {len(scores)} scores, or some are no numbers")
    known = [p if score > -np.inf else b"" for p, score in zip(pieces, scores, strict=True)]
    if missing := 256 - len({p for p in known if len(p) == 1}):
        raise ValueError(f"{missing} single bytes are no pieces")
    return Unigram(known, scores)


class Cutter:
    """Cuts words into ids of pieces.

    Args:
        tokens: the vocabulary.
        spelling: how words are spelled in them.

    Raises:
        LookupError, ValueError: they do not go together.
    """

    def __init__(self, tokens: Sequence[str], spelling: Spelling) -> None:
        self._method = method_of(tokens, spelling)
        self._special = [token.encode() for token in tokens[: spelling.special]]
        self._forget()

    def _forget(self) -> None:
        """Know special tokens only, each of which is one piece."""
        count = len(self._special)
        self._words = Table(hashes(slices(self._special), np.arange(count)))
        # Pieces of a word stand from its bound up to the next one.
        self._bounds = np.arange(count + 1)
        self._pieces = np.arange(count, dtype=np.int32)

    def cut(self, words: Slices) -> tuple[npt.NDArray[np.int32], Counts]:
        """Ids of the pieces of all words, and where those of each begin and the last ones end.

        Returns:
            [pieces] and [words + 1].
        """
        if len(self._words) > _REMEMBERED:
            self._forget()
        keys = hashes(words, np.arange(len(words.starts)))
        word = self._words.find(keys)
        new = np.flatnonzero(word < 0)
        if len(new):
            some, first = np.unique(keys[new], return_index=True)
            self._remember(some, words, new[first])
            word[new] = self._words.find(keys[new])
        starts, sizes = self._bounds[word], self._bounds[word + 1] - self._bounds[word]
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        at = np.repeat(starts - bounds[:-1], sizes) + np.arange(bounds[-1])
        return self._pieces[at], bounds

    def _remember(self, keys: npt.NDArray[np.uint64], words: Slices, which: Counts) -> None:
        """Cut some words that are not known yet."""
        lengths = words.lengths[which]
        ends = np.cumsum(lengths)
        at = np.repeat(words.starts[which] - (ends - lengths), lengths) + np.arange(ends[-1])
        none = np.zeros(len(which), np.int64)
        for batch in batches(Words(words.buffer[at], ends, none)):
            pieces, place = self._method.cut(batch)
            order = np.argsort(place, kind="stable")
            known = len(self._words)
            size = int(self._bounds[known])
            sizes = np.bincount(place, minlength=len(batch.counts))
            self._bounds = extended(self._bounds, known + 1, size + np.cumsum(sizes))
            self._pieces = extended(self._pieces, size, pieces[order].astype(np.int32))
            self._words.add(keys[: len(batch.counts)])
            keys = keys[len(batch.counts) :]
