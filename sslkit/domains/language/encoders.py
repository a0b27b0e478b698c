"""Words of a text as the numbers of their tokens: a word is one, or is cut into pieces.

A unit is 32 bits: the id of a token, or for a word that the vocabulary does not hold the number of
ids and a hash of the word. Pieces spell every word.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.types import Vocabulary
from sslkit.vocab.lookup import Lookup, hashes
from sslkit.vocab.scheme import Slices
from sslkit.vocab.subwords.cutter import Cutter

Units: TypeAlias = npt.NDArray[np.uint32]
Bounds: TypeAlias = npt.NDArray[np.int64]


class Encoder(Protocol):
    """Makes units of words."""

    def units(self, words: Slices) -> tuple[Units, Bounds]:
        """The units of all words, and where those of each word begin and the last ones end.

        Returns:
            [units], without other bits than those of tokens, and [words + 1].
        """
        ...


def encoder_of(vocabulary: Vocabulary | None, limit: int) -> Encoder:
    """What makes units of words as a vocabulary has them.

    Args:
        vocabulary: without any, every word is known by its hash alone.
        limit: units are below it.

    Raises:
        LookupError, ValueError: the vocabulary has pieces that do not go together.
    """
    if vocabulary is not None and vocabulary.spelling is not None:
        return PieceEncoder(Cutter(vocabulary.tokens, vocabulary.spelling))
    return WordEncoder([] if vocabulary is None else vocabulary.tokens, limit)


class WordEncoder:
    """A word is a unit; implements ``Encoder``."""

    def __init__(self, tokens: Sequence[str], limit: int) -> None:
        self._lookup = Lookup(tokens) if len(tokens) else None
        self._size = len(tokens)
        self._hashes = np.uint64(limit - len(tokens))

    def units(self, words: Slices) -> tuple[Units, Bounds]:
        """A unit for each word."""
        if self._lookup is None:
            ids = np.full(len(words.starts), -1, np.int64)
        else:
            ids = self._lookup.ids(words)
        unknown = np.flatnonzero(ids < 0)
        ids[unknown] = self._size + (hashes(words, unknown) % self._hashes).astype(np.int64)
        return ids.astype(np.uint32), np.arange(len(ids) + 1)


class PieceEncoder:
    """A word is a unit for each of its pieces; implements ``Encoder``."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter

    def units(self, words: Slices) -> tuple[Units, Bounds]:
        """The pieces of every word."""
        pieces, bounds = self._cutter.cut(words)
        return pieces.astype(np.uint32), bounds
