"""Running text as documents of numbered words, block by block.

A unit is 32 bits: the id of a word, or for a word that the vocabulary does not hold the number of
ids and a hash of the word; and the topmost bit where a sentence begins. One number is no word: it
stands between the two sides of a pair.
"""

from collections.abc import Iterator
from functools import partial
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.domains.language.sentences import Beginnings, Documents, Places
from sslkit.errors import OnError
from sslkit.vocab.lookup import Lookup, hashes
from sslkit.vocab.scheme import Slices
from sslkit.vocab.splitting import Rule, SplitReader

Units: TypeAlias = npt.NDArray[np.uint32]

#: Set where a sentence begins.
BEGINS = np.uint32(1 << 31)
#: Between the sides of a pair.
BETWEEN = np.uint32(BEGINS - 1)
#: Most units of one document; a longer one is read as several.
LONGEST = 1 << 24
_BLOCK = 1 << 20


class Encoder:
    """Makes units of words.

    Args:
        tokens: of the vocabulary; without any, every word is known by its hash alone.
        room: units are below it.
    """

    def __init__(self, tokens: Lookup | None, size: int, room: int = int(BETWEEN)) -> None:
        self._lookup = tokens
        self._size = size
        self._room = np.uint64(room - size)

    def units(self, words: Slices) -> Units:
        """A unit for each word, without other bits, [words]."""
        if self._lookup is None:
            found = np.full(len(words.starts), -1, np.int64)
        else:
            found = self._lookup.ids(words)
        unknown = np.flatnonzero(found < 0)
        found[unknown] = self._size + (hashes(words, unknown) % self._room).astype(np.int64)
        return found.astype(np.uint32)


class Stream:
    """The words of one text as units, in pieces.

    Args:
        name: of the file, for messages.
        rule: how text becomes words.
        documents: what ends one.
    """

    def __init__(
        self, name: str, rule: Rule, documents: Documents, encoder: Encoder, on_error: OnError
    ) -> None:
        self._watch = Beginnings(rule, documents)
        self._reader = SplitReader(name, self._watch, on_error)
        self._encoder = encoder
        # The first word begins a sentence and a document.
        self._sentence = self._document = True

    def feed(self, block: bytes) -> tuple[Units, Places]:
        """The units of the words that are whole, and which of them begin a document.

        Raises:
            DataError: what is no text, where bad records stop the run.
        """
        return self._numbered(self._reader.feed(block))

    def finish(self) -> tuple[Units, Places]:
        """The same for what only the end of the text makes whole."""
        return self._numbered(self._reader.finish())

    def lines(self, text: bytes) -> tuple[Units, Places]:
        """The units of a whole text, and how many there are before the end of each line.

        Where a line is a document, and nothing was fed before.
        """
        found, ends, seen = [], [], 0
        for split in (partial(self._reader.feed, text), self._reader.finish):
            words = split()
            found.append(self._numbered(words)[0])
            ends.append(seen + np.searchsorted(words.starts, self._watch.documents))
            seen += len(words.starts)
        return np.concatenate(found), np.concatenate(ends)

    def _numbered(self, words: Slices) -> tuple[Units, Places]:
        units = self._encoder.units(words)
        sentences, self._sentence = _first_from(words, self._watch.sentences, self._sentence)
        documents, self._document = _first_from(words, self._watch.documents, self._document)
        units[sentences] |= BEGINS
        units[documents] |= BEGINS
        return units, documents


def _first_from(words: Slices, places: Places, waiting: bool) -> tuple[Places, bool]:
    """The first words from each place on, and whether one is still to come."""
    found = np.searchsorted(words.starts, places)
    if waiting:
        found = np.append(found, 0)
    there = np.unique(found)
    return there[there < len(words.starts)], bool((there == len(words.starts)).any())


def documents(stream: IO[bytes], text: Stream) -> Iterator[Units]:
    """The units of each document that has any."""
    held: list[Units] = []
    size = 0
    block = b"."
    while block:
        block = stream.read(_BLOCK)
        units, begins = text.feed(block) if block else text.finish()
        at = 0
        for begin in begins.tolist():
            held.append(units[at:begin])
            if size + begin - at:
                yield held[0] if len(held) == 1 else np.concatenate(held)
            held, size, at = [], 0, begin
        held.append(units[at:])
        size += len(units) - at
        if size >= LONGEST:
            yield np.concatenate(held)
            held, size = [], 0
    if size:
        yield np.concatenate(held)
