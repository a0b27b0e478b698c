"""Running text as documents of numbered words or pieces of words, block by block.

The topmost bit of a unit (see ``encoders``) says that a sentence begins with it. One number is no
word: it stands between the two sides of a pair.
"""

from collections.abc import Iterator
from functools import partial
from typing import IO

import numpy as np

from sslkit.domains.language.encoders import Encoder, Units
from sslkit.domains.language.sentences import Beginnings, Documents, Places
from sslkit.errors import OnError
from sslkit.vocab.scheme import Slices
from sslkit.vocab.splitting import Rule, SplitReader

#: Set where a sentence begins.
BEGINS = np.uint32(1 << 31)
#: Between the sides of a pair.
BETWEEN = np.uint32(BEGINS - 1)
#: Most units of one document; a longer one is read as several.
LONGEST = 1 << 24
_BLOCK = 1 << 20


class Stream:
    """The words of one text as units, block by block.

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
        """The units of the words that are whole, and those that begin a document.

        Raises:
            DataError: what is no text, where bad records stop the run.
        """
        return self._numbered(self._reader.feed(block))[:2]

    def finish(self) -> tuple[Units, Places]:
        """The same for what only the end of the text makes whole."""
        return self._numbered(self._reader.finish())[:2]

    def lines(self, text: bytes) -> tuple[Units, Places]:
        """The units of a whole text, and how many there are before the end of each line.

        Where a line is a document, and nothing was fed before.
        """
        parts, ends, seen = [], [], 0
        for split in (partial(self._reader.feed, text), self._reader.finish):
            words = split()
            units, _, bounds = self._numbered(words)
            parts.append(units)
            before = np.searchsorted(words.starts, self._watch.documents)
            ends.append(seen + bounds[before])
            seen += len(units)
        return np.concatenate(parts), np.concatenate(ends)

    def _numbered(self, words: Slices) -> tuple[Units, Places, Places]:
        """Units, those that begin documents, and where those of each word begin."""
        units, bounds = self._encoder.units(words)
        sentences, self._sentence = _first_from(words, self._watch.sentences, self._sentence)
        documents, self._document = _first_from(words, self._watch.documents, self._document)
        units[bounds[sentences]] |= BEGINS
        units[bounds[documents]] |= BEGINS
        return units, bounds[documents], bounds


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
