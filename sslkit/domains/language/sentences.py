"""Where sentences and documents begin in running text.

A sentence begins behind a full stop, a question or an exclamation mark, or an ellipsis, where
closing quotes and brackets may follow and white space must (which the wide marks of Chinese and
Japanese go without), and behind a blank line. There is no list of abbreviations, so one begins
behind "Dr. " too.
"""

import re
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import Octets
from sslkit.vocab.splitting import Cuts, Rule

Places: TypeAlias = npt.NDArray[np.int64]
#: What ends a document beside the end of its file; a pair is a line of two columns.
Documents: TypeAlias = Literal["file", "blank", "line", "pair"]

#: Marks, closing quotes and brackets of one byte each.
_MARK, _CLOSE = np.zeros(256, np.bool_), np.zeros(256, np.int64)
_MARK[list(b".!?")] = True
_CLOSE[list(b"\"')]}")] = 1
#: Longer ones: an ellipsis; the full-width stop, exclamation and question mark; ends of French,
#: English, Chinese and Japanese quotes, a full-width bracket.
_LONG_MARKS, _WIDE = ("\u2026",), ("\u3002", "\uff01", "\uff1f")
_LONG_CLOSING = ("\u00bb", "\u2019", "\u201d", "\u300d", "\u300f", "\uff09")
_NEWLINE = ord("\n")
#: No character that is looked for takes more bytes.
_LONGEST = 3

_BLANK = np.zeros(256, np.bool_)
_BLANK[1:33] = True
#: A line break that only blanks separate from the next one; up to that one.
_BLANK_LINE = re.compile(rb"\n[\x01-\x09\x0b-\x20]*(?=\n)")
#: A text that ends with a line break, and blanks.
_OPEN_LINE = re.compile(rb"\n[\x01-\x09\x0b-\x20]*\Z")


class Beginnings:
    """A rule that also notes where sentences and documents end; see ``splitting.Rule``.

    Args:
        rule: how text becomes tokens; it needs to know nothing of the text before.

    Attributes:
        sentences, documents: for the last call, the bytes such that the next token that begins
            there or later begins a sentence, or a document; each at most ``Cuts.sure``.
    """

    def __init__(self, rule: Rule, documents: Documents) -> None:
        self._rule = rule
        self._kind = documents
        self.sentences = self.documents = np.empty(0, np.int64)

    def __call__(self, text: Octets, final: bool, within: str) -> Cuts:
        """The tokens; ``within`` is what the text before ends with that may go on in this one."""
        cuts = self._rule(text, final, "")
        raw = within.encode() + text[: cuts.sure].tobytes()
        joined = np.frombuffer(raw + bytes(_LONGEST), np.uint8)
        marks, wide = _behind_marks(joined, raw.isascii())
        offset = len(raw) - cuts.sure
        blank = np.array([one.end() + 1 for one in _BLANK_LINE.finditer(raw)], np.int64)
        found = (marks[_BLANK[joined[marks]]], wide[wide < len(raw)], blank)
        self.sentences = np.concatenate(found) - offset
        if self._kind == "line":
            self.documents = np.flatnonzero(text[: cuts.sure] == _NEWLINE) + 1
        else:
            self.documents = (blank if self._kind == "blank" else blank[:0]) - offset
        return Cuts(cuts.starts, cuts.ends, cuts.sure, _state(raw, marks, wide))


def _state(raw: bytes, marks: Places, wide: Places) -> str:
    """What the text ends with, as a character that says the same to what comes behind."""
    if len(raw) in wide:
        return _WIDE[0]
    if len(raw) in marks:
        return "."
    return "\n" if _OPEN_LINE.search(raw, max(raw.rfind(b"\n"), 0)) else ""


def _behind_marks(text: Octets, plain: bool) -> tuple[Places, Places]:
    """The bytes behind marks, and behind wide marks, and the closing quotes after them.

    Args:
        plain: whether all is ASCII.
    """
    marks = np.flatnonzero(_MARK[text]) + 1
    if plain:
        return _past_closing(text, marks, ()), marks[:0]
    high = np.flatnonzero(text & 0x80)
    long, wide = (
        np.concatenate([high[_stands(text, high, one)] + len(one.encode()) for one in characters])
        for characters in (_LONG_MARKS, _WIDE)
    )
    found = np.concatenate((marks, long))
    return _past_closing(text, found, _LONG_CLOSING), _past_closing(text, wide, _LONG_CLOSING)


def _stands(text: Octets, places: Places, character: str) -> npt.NDArray[np.bool_]:
    """Whether a character stands at each place."""
    first, *rest = character.encode()
    found: npt.NDArray[np.bool_] = text[places] == first
    for offset, byte in enumerate(rest, 1):
        found &= text[np.minimum(places + offset, len(text) - 1)] == byte
    return found


def _past_closing(text: Octets, places: Places, longer: tuple[str, ...]) -> Places:
    """Each place, or the first one behind it where no closing quote or bracket stands."""
    done = [places[:0]]
    while len(places):
        size = _CLOSE[text[places]]
        for one in longer:
            size[_stands(text, places, one)] = len(one.encode())
        done.append(places[size == 0])
        places = (places + size)[size > 0]
    return np.concatenate(done)
