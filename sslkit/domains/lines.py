"""Lines, or one column of them, that are tokens already.

Every line is a token as it stands, or with ``column`` the field of that number (from 1) between
separators. Line ends of all kinds end a line, and so does a byte that is no text where such
bytes are passed over; empty tokens are not counted.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sslkit.errors import OnError
from sslkit.vocab.scheme import Octets, Strings
from sslkit.vocab.splitting import Cuts, SplitReader, stretches

VERSION = 1
GIVES: frozenset[str] = frozenset()
ENDINGS = (".lines",)

_SEPARATORS = {"tab": 9, "comma": 44, "space": 32, "semicolon": 59}
_LINE_ENDS = np.zeros(256, np.bool_)
_LINE_ENDS[[0, 10, 13]] = True


@dataclass(frozen=True)
class Settings:
    """Options of the lines domain."""

    column: int = field(default=0, metadata={"help": "number of the column; 0 is the whole line"})
    separator: str = field(
        default="tab", metadata={"help": "between columns: tab, comma, space, semicolon"}
    )

    def __post_init__(self) -> None:
        if self.column < 0:
            raise ValueError(f"columns are numbered from 1, not {self.column}")
        if self.separator not in _SEPARATORS:
            raise ValueError(f"separator is one of {', '.join(_SEPARATORS)}")


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted."""
    rule = _lines
    if settings.column:
        separator = _SEPARATORS[settings.separator]
        rule = partial(_fields, column=settings.column, separator=separator)

    def reader(name: str, skip: Collection[int]) -> SplitReader:
        del skip  # a line is no record that could be bad
        return SplitReader(name, rule, on_error)

    return Strings(reader, pattern=r"[^\x00\n\r]+")


def _lines(text: Octets, final: bool, _within: str) -> Cuts:
    return stretches(~_LINE_ENDS[text], final)


def _fields(text: Octets, final: bool, within: str, column: int, separator: int) -> Cuts:
    """The fields of one number; ``within`` is the number, from 0, of the field at hand."""
    line_ends = _LINE_ENDS[text]
    ends = np.append(np.flatnonzero(line_ends | (text == separator)), len(text))
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    # Which field of its line each one is: fields since the last one that a line begins with.
    begins = np.concatenate(([True], line_ends[ends[:-1]]))
    order = np.arange(len(starts))
    line = np.maximum.accumulate(np.where(begins, order, 0))
    number = order - line + np.where(line == 0, int(within or 0), 0)
    wanted = number == column - 1
    kept = wanted & (ends > starts)
    # The last field may go on; one that is not wanted need not wait for its end.
    sure = int(starts[-1]) if wanted[-1] and not final else len(text)
    return Cuts(starts[kept], ends[kept], sure, str(number[-1]))
