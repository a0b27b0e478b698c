"""Rows of a table whose cells may be quoted (RFC 4180), from lines or from pieces of long ones.

The csv module takes four to eight bytes a letter and does not find the end of a row that is too
long for it; here memory follows the row, and of what is too long no more than a piece is held.
"""

import csv
from collections.abc import Iterator
from itertools import chain

_QUOTE = '"'


#: Characters of a row that the csv module reads.
_SHORT = 1 << 16


def rows(first: str, lines: Iterator[str], mark: str, limit: int) -> Iterator[list[str] | None]:
    """The cells of each row; of a blank line an empty one, of a row longer than ``limit`` None.

    Args:
        first, lines: the first line and the others, with their ends, or in pieces.

    Raises:
        csv.Error: as ``cells``.
    """
    short = _Short(lines, mark, limit)
    for line in chain([first], lines):
        row: list[str] | None
        if len(line) > _SHORT or len(line) > limit:
            row = cells(line, lines, mark, limit)
        elif _QUOTE not in line:
            row = line.split(mark)
            row[-1] = row[-1].removesuffix("\n")
        else:
            row = short.cells(line)
        # A long line is not held while its cells are used.
        del line
        yield row


class _Short:
    """Rows with quotes by the csv module, which is the fastest where they are short.

    Args:
        lines: gives what a row goes on with behind its first line.
        limit: as ``cells`` has it.
    """

    def __init__(self, lines: Iterator[str], mark: str, limit: int) -> None:
        self._lines, self._mark, self._limit = lines, mark, limit
        self._first = ""
        self._given: list[str] = []
        self._size = 0
        self._reader = csv.reader(self, delimiter=mark, strict=True)

    def cells(self, first: str) -> list[str] | None:
        """The cells of the row that begins with a short line; see ``cells``."""
        self._first, self._size = first, 0
        self._given.clear()
        try:
            row = next(self._reader)
        except csv.Error as error:
            if "unexpected end" not in str(error):
                raise
            # Or the row went on with more than the module is given.
            more = chain(self._given[1:], self._lines)
            return cells(first, more, self._mark, self._limit)
        return row if self._size - len(self._given) <= self._limit else None

    def __iter__(self) -> "_Short":
        return self

    def __next__(self) -> str:
        line, self._first = self._first or next(self._lines), ""
        self._given.append(line)
        self._size += len(line)
        if self._size > _SHORT:
            raise StopIteration
        return line


def cells(first: str, more: Iterator[str], mark: str, limit: int) -> list[str] | None:
    """The cells of the row that begins with ``first``; None where it is longer than ``limit``.

    Args:
        first: a line with its end, or a piece of one that goes on in ``more``.
        more: gives what follows; no more of it is taken than belongs to the row.
        mark: what stands between cells.
        limit: characters of the longest row, without the ends of its lines.

    Raises:
        csv.Error: the text ends within quotes, or a closing quote is not followed by ``mark``.
    """
    row = _Row(first, more, mark, limit)
    while row.cell():
        pass
    return row.cells if row.size <= limit else None


class _Row:
    """A row as far as it was read; ``size`` is the number of its characters."""

    def __init__(self, first: str, more: Iterator[str], mark: str, limit: int) -> None:
        self._text, self._more, self._mark, self._limit = first, more, mark, limit
        self._at = 0
        self.cells: list[str] = []
        self.size = _size(first)

    def cell(self) -> bool:
        """Read the next cell; whether there is one behind it."""
        if not self._has_more():
            self._add([])
            return False
        if self._text.startswith(_QUOTE, self._at):
            self._at += 1
            return self._quoted()
        return self._plain()

    def _plain(self) -> bool:
        pieces = []
        while self._has_more():
            is_whole = self._text.endswith("\n")
            end = len(self._text) - is_whole
            next_mark = self._text.find(self._mark, self._at, end)
            pieces.append(self._text[self._at : end if next_mark < 0 else next_mark])
            if self.size > self._limit:
                pieces.clear()
            if next_mark >= 0:
                self._at = next_mark + 1
                self._add(pieces)
                return True
            self._at = len(self._text)
            if is_whole:
                break
        self._add(pieces)
        return False

    def _quoted(self) -> bool:
        pieces = []
        while True:
            if not self._has_more():
                raise csv.Error("unexpected end of data")
            close = self._text.find(_QUOTE, self._at)
            pieces.append(self._text[self._at : len(self._text) if close < 0 else close])
            self._at = len(self._text) if close < 0 else close + 1
            if self.size > self._limit:
                pieces.clear()
            if close < 0:
                continue
            behind = self._text[self._at] if self._has_more() else "\n"
            self._at += 1
            if behind != _QUOTE:
                break
            pieces.append(_QUOTE)
        if behind not in {self._mark, "\n"}:
            raise csv.Error(f"'{self._mark}' expected after '\"'")
        self._add(pieces)
        return behind == self._mark

    def _add(self, pieces: list[str]) -> None:
        if self.size <= self._limit:
            self.cells.append("".join(pieces))
        else:
            self.cells.clear()

    def _has_more(self) -> bool:
        """Whether there are letters, of the text at hand or of the next one."""
        if self._at < len(self._text):
            return True
        # Nothing is left of it.
        self._text = ""
        self._text, self._at = next(self._more, ""), 0
        self.size += _size(self._text)
        return bool(self._text)


def _size(line: str) -> int:
    return len(line) - line.endswith("\n")
