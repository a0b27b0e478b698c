"""Subwords: a closed vocabulary of byte strings that spells every word, learned from word counts.

A method (``bpe``, ``unigram``) learns from distinct words and their exact counts, never from the
corpus, so that learning costs what the distinct words cost. It learns from the most frequent
words up to a number of letters that does not depend on memory, so that neither does what is
learned; all words are then cut into subwords and counted exactly.

Subwords are bytes, perhaps the beginning of a character. They are written as in GPT-2: every byte
is one printable character, those that are printable in Latin-1 as themselves, the others from
U+0100 on, so that a space reads "Ġ".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sslkit.types import Spelling

Counts: TypeAlias = npt.NDArray[np.int64]
Octets: TypeAlias = npt.NDArray[np.uint8]

#: Letters that are cut into subwords at once.
_BATCH = 1 << 17
#: Bytes in the order of the characters that stand for them; a subword of one byte each.
ALPHABET = bytes((*range(33, 127), *range(161, 173), *range(174, 256),
                  *range(33), *range(127, 161), 173))  # fmt: skip


@dataclass(frozen=True)
class Words:
    """Distinct words and how often each occurs.

    Attributes:
        letters: the bytes of all words, one after the other, [letters].
        ends: the byte behind each word, [words].
        counts: [words].
    """

    letters: Octets
    ends: Counts
    counts: Counts

    @property
    def lengths(self) -> Counts:
        """Bytes of each word, [words]."""
        return np.diff(self.ends, prepend=np.int64(0))


class Method(Protocol):
    """Subwords that were learned, and how words are cut into them."""

    @property
    def pieces(self) -> Sequence[bytes]:
        """The subwords, each once."""
        ...

    def cut(self, words: Words) -> tuple[Counts, Counts]:
        """Numbers of pieces, and of the words that they are pieces of; in order within a word."""
        ...

    def spelling(self, ids: Counts, size: int, special: int) -> Spelling:
        """The same of the tokens of a vocabulary.

        Args:
            ids: of the pieces.
            size: tokens of the vocabulary.
            special: how many of them, the first ones, are whole words.
        """
        ...


def spell(piece: bytes) -> str:
    """A piece in printable characters."""
    return piece.decode("latin-1").translate(_characters())


def unspell(token: str) -> bytes:
    """The piece that a token spells; empty where it spells none."""
    bytewise = _bytes()
    return bytes(bytewise[char] for char in token) if {*token} <= bytewise.keys() else b""


@cache
def _characters() -> dict[int, int]:
    hidden = ALPHABET[-68:]
    return {byte: 256 + place for place, byte in enumerate(hidden)}


@cache
def _bytes() -> dict[str, int]:
    return {spell(bytes([byte])): byte for byte in range(256)}


def words_of(tokens: Any, counts: Counts) -> Words:
    """A piece of a vocabulary, Arrow strings and counts, as words."""
    column = tokens.cast(pa.large_binary())
    offsets = np.frombuffer(column.buffers()[1], np.int64)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    letters = np.frombuffer(column.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    return Words(letters, offsets[1:] - offsets[0], counts)


def head(words: Words, letters: int) -> Words:
    """The first words, up to so many letters; copies, so that the others need not stay."""
    count = int(np.searchsorted(words.ends, letters, side="right"))
    end = int(words.ends[count - 1]) if count else 0
    return Words(words.letters[:end].copy(), words.ends[:count].copy(), words.counts[:count].copy())


def most_frequent(rows: Iterable[tuple[Any, Counts]], letters: int) -> Words:
    """The first words of a vocabulary, up to so many letters."""
    none = np.empty(0, np.int64)
    held = [Words(none.astype(np.uint8), none, none)]
    for tokens, counts in rows:
        words = head(words_of(tokens, counts), letters)
        held.append(words)
        letters -= len(words.letters)
        if len(words.counts) < len(counts):
            break
    starts = np.cumsum([0, *(len(words.letters) for words in held)])
    return Words(
        np.concatenate([words.letters for words in held]),
        np.concatenate([w.ends + s for w, s in zip(held, starts[:-1], strict=True)]),
        np.concatenate([words.counts for words in held]),
    )


def count(rows: Iterable[tuple[Any, Counts]], method: Method, check: Callable[[], None]) -> Counts:
    """How often each piece occurs when all words are cut, [pieces]."""
    total = np.zeros(len(method.pieces), np.int64)
    for tokens, counts in rows:
        for words in batches(words_of(tokens, counts)):
            check()
            pieces, places = method.cut(words)
            np.add.at(total, pieces, words.counts[places])
    return total


def batches(words: Words) -> Iterator[Words]:
    """The same words, in batches of some letters or of one word."""
    start, first = 0, 0
    while start < len(words.counts):
        end = int(np.searchsorted(words.ends, first + _BATCH, side="right"))
        end = max(end, start + 1)
        last = int(words.ends[end - 1])
        yield Words(words.letters[first:last], words.ends[start:end] - first,
                    words.counts[start:end])  # fmt: skip
        start, first = end, last
