"""Where comments and literals stand in source code, found for a whole block at once.

Where each of them would end if it began at a place does not depend on what stands before: a byte
is escaped when an odd number of backslashes stands before it, wherever the literal began. So the
ends are looked up together for all marks that might open something. What remains is to hop from
end to next mark, and hops are doubled round by round (pointer jumping, Wyllie 1979), so that even
this takes no step for each literal. ``lexical`` says what a regular expression would cost.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import Octets
from sslkit.vocab.splitting import Flags, Index

#: What opens comments and literals. ``'`` of braces is that of a character, which has an end
#: close by: that of a lifetime of Rust, or between digits, opens nothing.
MARKS = {
    "python": ("#", '"""', "'''", '"', "'"),
    "hash": ("#", '"', "'"),
    "quotes": ("//", "/*", '"', "'", "`"),
    "braces": ("//", "/*", '"', "'"),
}
_LINES = ("#", "//")
_COMMENTS = (*_LINES, "/*")
_NEWLINE, _BACKSLASH, _STAR, _SLASH, _QUOTE = b"\n\\*/'"
# Most bytes from the quote of a character to the one that closes it: 'abcd', '\u{10ffff}'.
_PLAIN, _SLASHED = 5, 11
_BEFORE, _BEHIND = 4, 4
_PREFIX = np.isin(np.arange(256), list(b"rRbBuUfF"))


@dataclass(frozen=True, slots=True)
class Covered:
    """Comments and literals of a block.

    Attributes:
        starts: where they begin, letters such as rb included, ascending.
        ends: the bytes behind them.
        literals: which of them are literals that begin in the block.
        sure: up to where this holds whatever follows the block.
        within: the mark of what ``sure`` stands in, or nothing.
    """

    starts: Index
    ends: Index
    literals: Flags
    sure: int
    within: str


def find(text: Octets, final: bool, within: str, language: str) -> Covered:
    """Find comments and literals.

    Args:
        final: nothing follows the block.
        within: the mark of what the block begins in, or nothing.
        language: one of MARKS.
    """
    block = _Block(text, language)
    starts, ends, kinds = _candidates(block)
    head = block.ends(within, np.zeros(1, np.int64)) if within else np.zeros(1, np.int64)
    kept = reached(np.searchsorted(starts, ends), np.searchsorted(starts, head))
    marks = MARKS[language]
    starts, ends, kinds = starts[kept], ends[kept], kinds[kept]
    literals = ~np.array([mark in _COMMENTS for mark in marks])[kinds]
    mark = marks[kinds[-1]] if len(kinds) else within
    begin = int(starts[-1]) + len(mark) if len(kinds) else 0
    if language == "python":
        starts = starts - np.where(literals, _letters(block, starts), 0)
    if within:
        starts, ends = np.append(0, starts), np.append(head, ends)
        literals = np.append(False, literals)
    sure, still = block.size, ""
    if not final and len(ends):
        cut = language == "python" and mark in ('"', "'") and begin > 0
        if cut and text[begin - 1 :].tobytes() in (mark.encode(), 2 * mark.encode()):
            sure = int(starts[-1])  # three of them may open another literal
        elif ends[-1] > block.size:
            sure, still = block.size - _kept_back(text[begin:].tobytes(), mark), mark
    ends = np.minimum(ends, block.size)
    if language == "braces" and not final:
        quote = _open_quote(text, starts, ends)
        if quote < sure:
            sure, still = quote, ""
    return Covered(starts, ends, literals, sure, still)


class _Block:
    """A block, the neighbours of its bytes, and those of them that rules look at."""

    def __init__(self, text: Octets, language: str) -> None:
        self.language = language
        self.size = len(text)
        self._text = text
        self._around = np.zeros(self.size + _BEFORE + _BEHIND, np.uint8)
        self._around[_BEFORE : _BEFORE + self.size] = text
        inside = text == _NEWLINE
        for byte in {ord(mark[0]) for mark in MARKS[language]} | {_BACKSLASH}:
            inside |= text == byte
        self.places = np.flatnonzero(inside)
        self.bytes = text[self.places]
        self._lines = self.places[np.flatnonzero(self.bytes == _NEWLINE)]
        self._escaped = self._behind_backslashes()

    def near(self, places: Index, distance: int) -> Octets:
        """The bytes some way behind places (before them, if negative); 0 beyond the block."""
        found: Octets = self._around[places + (_BEFORE + distance)]
        return found

    def opening(self, mark: str) -> Index:
        """Which of the bytes would open this, as numbers of ``places``."""
        found = np.flatnonzero(self.bytes == ord(mark[0]))
        for distance, byte in enumerate(mark[1:].encode(), 1):
            found = found[self.near(self.places[found], distance) == byte]
        if self.language == "python" and mark in ('"', "'"):
            found = found[~self._three(self.places[found], ord(mark))]
        return found

    def ends(self, mark: str, places: Index) -> Index:
        """The bytes behind comments or literals whose contents begin at places.

        Beyond the block where they do not end in it.
        """
        if mark in _LINES:
            closing = behind = self._lines
        elif mark == "/*":
            slashes = self._where(self.bytes == _SLASH)
            closing = slashes[self.near(slashes, -1) == _STAR] - 1
            behind = closing + 2
        elif mark == "`":
            closing = self._where(self.bytes == ord(mark))
            behind = closing + 1
        elif len(mark) == 1:
            closes = (self.bytes == ord(mark)) | (self.bytes == _NEWLINE)
            closing = self._where(closes & ~self._escaped)
            behind = closing + (self._text[closing] != _NEWLINE)
        else:
            closing = self._where((self.bytes == ord(mark[0])) & ~self._escaped)
            closing = closing[self._three(closing, ord(mark[0]))]
            behind = closing + 3
        return np.append(behind, self.size + 1)[np.searchsorted(closing, places)]

    def characters(self) -> tuple[Index, Index]:
        """Which quotes open a character, as numbers of ``places``, and the bytes behind it."""
        found = np.flatnonzero(self.bytes == _QUOTE)
        if not len(found):
            return found, found
        quotes = self.places[found]
        slashed = self.near(quotes, 1) == _BACKSLASH
        # A byte at least stands before the quote that closes; behind a backslash, any byte.
        closes = self._next(quotes, quotes + 2 + slashed)
        lines = self._next(self._lines, quotes + 2)
        marks = (self.bytes == _QUOTE) | (self.bytes == _BACKSLASH) | (self.bytes == _NEWLINE)
        stops = self._next(self._where(marks), quotes + 1)
        fits = np.where(
            slashed,
            (closes - quotes <= _SLASHED) & (closes < lines),
            (closes - quotes <= _PLAIN) & (closes == stops),
        )
        return found[fits], closes[fits] + 1

    def _where(self, chosen: Flags) -> Index:
        """The places of some of the bytes (faster than indexing by flags)."""
        return self.places[np.flatnonzero(chosen)]

    def _next(self, places: Index, froms: Index) -> Index:
        """The first of places that is not before each of others; far away where there is none."""
        return np.append(places, 2 * self.size + _SLASHED + 1)[np.searchsorted(places, froms)]

    def _three(self, places: Index, byte: int) -> Flags:
        """Where two more of the same byte follow."""
        found: Flags = (self.near(places, 1) == byte) & (self.near(places, 2) == byte)
        return found

    def _behind_backslashes(self) -> Flags:
        """Which of the bytes stand behind an odd number of backslashes."""
        escaped = np.zeros(len(self.places) + 1, np.bool_)
        numbers = np.flatnonzero(self.bytes == _BACKSLASH)
        if len(numbers):
            at, count = self.places[numbers], np.arange(len(numbers))
            begins = np.append(True, at[1:] != at[:-1] + 1)
            odd = (count - np.maximum.accumulate(np.where(begins, count, 0))) % 2 == 0
            odd &= np.append(self.places, -1)[numbers + 1] == at + 1
            escaped[numbers[odd] + 1] = True
        return escaped[:-1]


def _candidates(block: _Block) -> tuple[Index, Index, npt.NDArray[np.int8]]:
    """All places where something might open, where it would end, and the number of its mark."""
    kinds = np.full(len(block.places), -1, np.int8)
    ends = np.zeros(len(block.places), np.int64)
    for kind, mark in enumerate(MARKS[block.language]):
        if block.language == "braces" and mark == "'":
            opens, behind = block.characters()
            kinds[opens], ends[opens] = kind, behind
        elif len(opens := block.opening(mark)):
            kinds[opens] = kind
            ends[opens] = block.ends(mark, block.places[opens] + len(mark))
    there = np.flatnonzero(kinds >= 0)
    return block.places[there], ends[there], kinds[there]


def reached(following: Index, heads: Index) -> Index:
    """The places that hops lead to, heads included, ascending.

    Args:
        following: where the hop from each place leads: to a later one, or to none, which is the
            number of places.
    """
    none = len(following)
    jump = np.append(following, none)
    marked = np.zeros(none + 1, np.bool_)
    found = heads
    while len(found):
        marked[found] = True
        new = jump[found]
        new = new[new < none]
        if not len(new):
            break
        found = np.concatenate((found, new))
        jump = jump[jump]
    return np.flatnonzero(marked[:none])


def _letters(block: _Block, quotes: Index) -> Index:
    """How many letters such as rb stand before the quotes of literals."""
    near = [block.near(quotes, -distance) for distance in range(4)]
    one = _PREFIX[near[1]]
    two = one & _PREFIX[near[2]] & ~in_words(near[3])
    return np.where(two, 2, (one & ~in_words(near[2])).astype(np.int64))


def in_words(text: Octets) -> Flags:
    """Which bytes are letters, digits, underscores, or no ASCII."""
    found: Flags = ((text | 32) - np.uint8(97)) < 26
    found |= (text - np.uint8(48)) < 10
    found |= text == ord("_")
    found |= text > 127
    return found


def _kept_back(content: bytes, mark: str) -> int:
    """How many of the last bytes of an open comment or literal may be part of its end."""
    if mark in _LINES or mark == "`":
        return 0
    if mark == "/*":
        return int(content.endswith(b"*"))
    before = content.rstrip(mark[0].encode())
    quotes = len(content) - len(before)
    escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
    return quotes - escaped if quotes else escaped


def _open_quote(text: Octets, starts: Index, ends: Index) -> int:
    """The first quote that opens a character if what follows the block closes it."""
    size = len(text)
    for place in range(max(size - _SLASHED, 0), size):
        if text[place] == _QUOTE:
            number = int(np.searchsorted(starts, place, side="right"))
            if not number or ends[number - 1] <= place:
                return place
    return size
