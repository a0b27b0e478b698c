"""Running text as words.

A word is a longest stretch of letters, digits, combining marks and underscores of any script
(Unicode categories L, M, N and the underscore); everything else separates words and is not
counted. Words are counted as they are written: case is kept, nothing is normalised. As pieces, no
character of the text is lost, for tokenizers that can give it back: a word, or a stretch of other
visible characters, takes one space before it along, and white space ends with each line.

To a model a word is a token, or, with a vocabulary of pieces (``build-vocab --subword``), one for
each of its pieces. A document is a file, unless ``documents`` says otherwise; one of more than
2**24 tokens is read as several. A cell of a table is a document. Where a sentence begins is told
by marks and blank lines (see ``_sentences``).

A pair is two texts that say the same, a sentence and its translation say: to an objective one is
the view of the other, either of the two the first one; without training they are one row.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from sslkit.contracts.spec import Ids
from sslkit.domains.language import pairs
from sslkit.domains.language.documents import BEGINS, BETWEEN, Stream, documents
from sslkit.domains.language.encoders import Units, encoder_of
from sslkit.domains.language.numbered import Numbered
from sslkit.domains.language.sentences import Documents
from sslkit.domains.language.words import PATTERNS, RULES
from sslkit.errors import OnError, UsageError
from sslkit.files import sequences, source, table
from sslkit.types import Array, Arrays, Draws, Record, Vocabulary
from sslkit.vocab.scheme import Strings
from sslkit.vocab.splitting import SplitReader

VERSION = 1
GIVES = frozenset({"tokens", "boundary", "view"})
ENDINGS = (".txt", ".text", ".md", ".rst", ".tokens")
#: Words may be cut into the pieces of a vocabulary.
PIECES = True
#: Such files lie beside corpora of all kinds, so any other kind goes before this one.
COMMON = True


@dataclass(frozen=True)
class Settings:
    """Options of the text domain."""

    split: Literal["words", "spaces", "pieces"] = field(
        default="words",
        metadata={
            "help": "words: letters, marks, digits, _; spaces: all between white space; "
            "pieces: everything, white space too"
        },
    )
    documents: Documents = field(
        default="file",
        metadata={
            "help": "a document is a file, or what blank lines separate (blank), or a line; or a "
            "line is a pair of texts with a tab between"
        },
    )


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted."""
    rule = RULES[settings.split]

    def reader(name: str, skip: Collection[int]) -> SplitReader:
        del skip  # text has no records that could be bad as a whole
        return SplitReader(name, rule, on_error)

    return Strings(reader, pattern=PATTERNS[settings.split], needs_tokens=True)


class Domain(Numbered):
    """Running text; implements ``contracts.domain.TokenDomain`` and ``contracts.domain.Paired``."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        boundary = Ids(("length",), 2)
        super().__init__(settings, vocabulary, ~BEGINS, "word", boundary=boundary)
        self.settings = settings
        self._encoder = encoder_of(vocabulary, int(BETWEEN))

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The documents of a text file, or of a table with one in each row.

        With ``skip``, bytes that are no UTF-8 separate words, as where they are counted.

        Raises:
            DataError: a file without a word, or with bytes that are no text, with ``stop``.
        """
        if self.settings.documents == "pair":
            yield from self.pairs(path, on_error)
            return
        name, number = source.plain_name(path), 0
        with source.open_bytes(path) as stream:
            if table.starts(stream, path, ENDINGS):
                rows = table.parse(stream, path, on_error=on_error)
                yield from sequences.of_rows(rows, path, self.record, on_error)
                return
            text = self._stream(str(path), self.settings.documents, on_error)
            for number, units in enumerate(documents(stream, text), 1):
                whole = self.settings.documents == "file" and number == 1
                yield Record(name if whole else f"{name}:{number}", units, str(path), number)
        if not number:
            raise source.empty(path, "it holds no word")

    def _whole(self, raw: bytes) -> Units:
        text = self._stream("it", "file", "stop")
        return np.concatenate([text.feed(raw)[0], text.finish()[0]])

    def pairs(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The pairs of a file of two columns, whatever ``documents`` says; see ``_pairs``."""
        return pairs.read(path, lambda: self._stream(str(path), "line", "stop"), on_error)

    def sides(self, units: Array) -> tuple[Array, Array]:
        """The two sides of a pair."""
        return pairs.sides(units)

    def _stream(self, name: str, kind: Documents, on_error: OnError) -> Stream:
        return Stream(name, RULES[self.settings.split], kind, self._encoder, on_error)

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """Token ids and lengths of units [rows, words].

        ``boundary`` is whether a sentence begins with a token. With ``draws`` a row of a pair is
        one of its sides, and ``view`` the other one.
        """
        if draws is None or self.settings.documents != "pair":
            if "view" in needs:
                raise UsageError(
                    "documents of text have no views",
                    do="give pairs, two columns with a tab between: --set documents=pair",
                )
            return self._tokens(units, lengths, needs)
        first, second = pairs.parted(units, lengths)
        swap = (draws.uniform("side", 1)[:, 0] < 0.5) & (second[1] > 0)
        one, other = _swapped(first, second, swap)
        made = self._tokens(*one, needs)
        if "view" in needs:
            view = self._tokens(*other)
            made |= {f"view.{name}": array for name, array in view.items()}
        return made

    def _tokens(self, units: Array, lengths: Array, needs: Collection[str] = ()) -> Arrays:
        known = self.tokens
        inside = np.arange(units.shape[1]) < lengths[:, None]
        ids = (units & ~BEGINS).astype(np.int64)
        tokens = np.where(ids < known.size, ids, known.unknown)
        tokens = np.where(units == BETWEEN, known.separator, tokens)
        made: Arrays = {
            "tokens": np.where(inside, tokens, known.pad),
            "length": lengths.astype(np.int64),
        }
        if "boundary" in needs:
            made["boundary"] = inside & (units >= BEGINS)
        return made


def _swapped(
    first: tuple[Array, Array], second: tuple[Array, Array], swap: npt.NDArray[np.bool_]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Rows of units with their lengths, exchanged where it is said."""
    wide = max(first[0].shape[1], second[0].shape[1])
    units = [np.pad(held, ((0, 0), (0, wide - held.shape[1]))) for held, _ in (first, second)]
    lengths = [first[1], second[1]]
    return (
        (np.where(swap[:, None], units[1], units[0]), np.where(swap, *lengths[::-1])),
        (np.where(swap[:, None], units[0], units[1]), np.where(swap, *lengths)),
    )
