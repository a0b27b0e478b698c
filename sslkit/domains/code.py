"""Source code as identifiers, operators and classes of literals.

Identifiers and keywords stand for themselves (letters, digits, underscores, and everything that
is not ASCII); every string is the token ``"`` and every number the token ``0``; operators are as
long as they can be (``>>=``, ``->``). Comments are left out. Python is read by its own rules of
strings and comments; other languages by those of the family that the file's ending tells.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.errors import OnError
from sslkit.files import source
from sslkit.vocab.scheme import Octets, Strings
from sslkit.vocab.splitting import Cuts, SplitReader, stretches

VERSION = 1
GIVES: frozenset[str] = frozenset()

_PYTHON = (".py", ".pyi", ".pyx")
_HASH = (".sh", ".bash", ".rb", ".pl", ".r", ".jl", ".yaml", ".toml", ".cmake")
_BRACES = (
    *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".java", ".kt", ".scala", ".swift"),
    *(".cs", ".go", ".rs", ".js", ".jsx", ".ts", ".tsx", ".php", ".cu", ".m", ".dart"),
)
ENDINGS = (*_PYTHON, *_BRACES, *_HASH)

# Up to the closing mark, the end of the line, or the end of what has been read so far.
_DOUBLE = rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*(?:"|(?=\n)|\\?\Z)'
_SINGLE = rb"'[^'\\\n]*(?:\\.[^'\\\n]*)*(?:'|(?=\n)|\\?\Z)"
_LONG_DOUBLE = rb'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*(?:"""|\\?\Z)'
_LONG_SINGLE = rb"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*(?:'''|\\?\Z)"
_HASH_COMMENT = rb"#[^\n]*"
_SLASH_COMMENTS = rb"//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/|\Z)"
# A lifetime of Rust or a digit separator is no character.
_CHARACTER = rb"'(?:\\[^\n]{1,9}?|[^'\\\n]{1,4}?)'"


def _pattern(*parts: bytes) -> re.Pattern[bytes]:
    return re.compile(b"|".join(parts), re.DOTALL)


_RULES = {
    "python": _pattern(_HASH_COMMENT, _LONG_DOUBLE, _LONG_SINGLE, _DOUBLE, _SINGLE),
    "hash": _pattern(_HASH_COMMENT, _DOUBLE, _SINGLE),
    "quotes": _pattern(_SLASH_COMMENTS, _DOUBLE, _SINGLE, rb"`[^`]*(?:`|\Z)"),
    "braces": _pattern(_SLASH_COMMENTS, _DOUBLE, _CHARACTER),
}
_QUOTED = (".js", ".jsx", ".ts", ".tsx", ".php", ".dart", ".m")
_OPERATORS = re.compile(
    rb">>>=|<<=|>>=|>>>|\*\*=|//=|===|!==|\.\.\.|<=>|&&=|\|\|=|\?\?=|->|=>|:=|::|\+\+|--|&&|\|\||"
    rb"<<|>>|<=|>=|==|!=|\+=|-=|\*=|/=|%=|&=|\|=|\^=|@=|\*\*|//|\?\?|\?\.|\.\.|.",
    re.DOTALL,
)
_WORD = np.zeros(256, np.bool_)
_WORD[[byte for byte in range(256) if byte >= 128 or chr(byte).isalnum() or byte == ord("_")]] = 1
_DIGIT = np.zeros(256, np.bool_)
_DIGIT[list(b"0123456789")] = True
_OPERATOR = np.zeros(256, np.bool_)
_OPERATOR[[byte for byte in range(33, 127) if not _WORD[byte]]] = True
_ALONE = np.zeros(256, np.bool_)
_ALONE[[*range(33), *b"()[]{};,"]] = True
_PREFIX = frozenset(b"rRbBuUfF")


@dataclass(frozen=True)
class Settings:
    """The code domain has no options."""


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted."""
    del settings

    def reader(name: str, skip: Collection[int]) -> SplitReader:
        del skip  # code has no records
        return SplitReader(name, partial(_tokens, language=_language(name)), on_error)

    # A comment or a string may reach over any line end.
    return Strings(reader, divide=b"")


def _language(name: str) -> str:
    ending = Path(source.plain_name(Path(name))).suffix.lower()
    if ending in _PYTHON or ending not in ENDINGS:
        return "python"
    if ending in _HASH:
        return "hash"
    return "quotes" if ending in _QUOTED else "braces"


def _tokens(text: Octets, final: bool, language: str) -> Cuts:
    """Tokens of a piece of code; literals are rewritten in it as what they count as."""
    covered = np.zeros(len(text) + 1, np.int8)
    sure = len(text)
    strings = []
    raw = text.tobytes()
    for match in _RULES[language].finditer(raw):
        start, end = match.span()
        comment = raw[start] in b"#/"
        if not comment and language == "python":
            start = _with_prefix(raw, start)
        if end == len(raw) and not final:
            # What closes it, or goes on, may come with the next block.
            sure = min(sure, start)
        covered[start] += 1
        covered[end] -= 1
        if not comment:
            strings.append(start)
    free = np.cumsum(covered[:-1], dtype=np.int8) == 0
    words = stretches(free & _WORD[text], final)
    signs = stretches(free & _OPERATOR[text], final)
    words, signs, numbers = _numbers(text, words, signs)
    literals = np.array(strings, np.int64)
    text[numbers] = ord("0")
    text[literals] = ord('"')
    signs = _operators(raw, signs)
    starts = np.concatenate((words.starts, signs.starts, numbers, literals))
    ends = np.concatenate((words.ends, signs.ends, numbers + 1, literals + 1))
    order = np.argsort(starts)
    if not final:
        # Numbers and operators may go on over the end, but not over these.
        alone = np.flatnonzero(_ALONE[text[:sure]])
        sure = int(alone[-1]) + 1 if len(alone) else 0
    return Cuts(starts[order], ends[order], sure)


def _with_prefix(raw: bytes, start: int) -> int:
    """Where a string begins that may have letters such as rb before its quote."""
    for length in (2, 1):
        first = start - length
        if first >= 0 and all(byte in _PREFIX for byte in raw[first:start]):
            before = raw[first - 1] if first else 32
            if not _WORD[before]:
                return first
    return start


def _numbers(text: Octets, words: Cuts, signs: Cuts) -> tuple[Cuts, Cuts, npt.NDArray[np.int64]]:
    """Words without numbers, signs without the dots and signs in numbers, and where numbers begin.

    A number begins with a digit. It goes on over a dot before a digit, and over a sign behind an
    exponent.
    """
    first_digit = _DIGIT[text[words.starts]] if len(words.starts) else np.empty(0, np.bool_)
    numeric = first_digit.copy()
    # What stands between a word and the next one: one byte, which may belong to a number.
    near = words.starts[1:] == words.ends[:-1] + 1
    between = text[np.minimum(words.ends[:-1], max(len(text) - 1, 0))]
    last = text[words.ends[:-1] - 1] | 32
    dotted = near & (between == ord(".")) & first_digit[:-1] & first_digit[1:]
    signed = near & np.isin(between, list(b"+-")) & (last == ord("e")) & first_digit[1:]
    hexadecimal = (words.ends - words.starts > 1) & (
        (text[np.minimum(words.starts + 1, max(len(text) - 1, 0))] | 32) == ord("x")
    )
    signed &= first_digit[:-1] & ~hexadecimal[:-1]
    goes_on = np.concatenate(([False], dotted | signed))[: len(words.starts)]
    begins = numeric & ~goes_on
    gone = words.starts[goes_on] - 1
    keep = np.ones(len(words.starts), np.bool_)
    keep[numeric] = False
    signs = _without(signs, gone)
    return Cuts(words.starts[keep], words.ends[keep], words.sure), signs, words.starts[begins]


def _without(signs: Cuts, places: npt.NDArray[np.int64]) -> Cuts:
    """Stretches of signs less single bytes, each of which is a stretch of its own."""
    kept = ~np.isin(signs.starts, places)
    return Cuts(signs.starts[kept], signs.ends[kept], signs.sure)


def _operators(raw: bytes, signs: Cuts) -> Cuts:
    """Stretches of signs cut into operators."""
    several = np.flatnonzero(signs.ends - signs.starts > 1)
    starts = [signs.starts[signs.ends - signs.starts == 1]]
    ends = [starts[0] + 1]
    found: dict[bytes, list[int]] = {}
    for place, end in zip(
        signs.starts[several].tolist(), signs.ends[several].tolist(), strict=True
    ):
        found.setdefault(raw[place:end], []).append(place)
    for text, places in found.items():
        at = np.array(places)
        for first, last in _cut(text):
            starts.append(at + first)
            ends.append(at + last)
    return Cuts(np.concatenate(starts), np.concatenate(ends), signs.sure)


@lru_cache(maxsize=4096)
def _cut(text: bytes) -> list[tuple[int, int]]:
    return [match.span() for match in _OPERATORS.finditer(text)]
