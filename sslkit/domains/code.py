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
#: Comments and literals longer than this are passed through without being held. More
#: than the letters of a prefix, so that what is passed holds the mark that opens.
_HELD = 1 << 12
# What a mark that closes a comment or a literal is made of, and what takes its meaning away.
_MARKS = b"\\*/\"'`"
# No character literal is longer.
_CHARACTER_BYTES = 12
_RUN = 64


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


def _tokens(text: Octets, final: bool, within: str, language: str) -> Cuts:
    """Tokens of a piece of code; literals are rewritten in it as what they count as.

    ``within`` is the mark that opened the comment or literal that the piece begins in.
    """
    raw = text.tobytes()
    strings, covered, open_at, within = _covered(raw, final, within, language)
    free = np.cumsum(covered[:-1], dtype=np.int8) == 0
    words = stretches(free & _WORD[text], final)
    runs = stretches(free & _OPERATOR[text], final)
    words, runs, numbers = _numbers(text, words, runs)
    literals = np.array(strings, np.int64)
    text[numbers] = ord("0")
    text[literals] = ord('"')
    signs = _operators(raw, runs)
    starts = np.concatenate((words.starts, signs.starts, numbers, literals))
    ends = np.concatenate((words.ends, signs.ends, numbers + 1, literals + 1))
    order = np.argsort(starts)
    sure = len(text)
    if within:
        sure = open_at
    elif not final:
        ends_of_covered = np.flatnonzero(covered[:-1] < 0)
        sure = _settled(raw[:open_at], free, words, runs, signs)
        sure = max(sure, *ends_of_covered[-1:].tolist(), 0)
        if language == "braces":
            quotes = np.flatnonzero((text == ord("'")) & free)
            near = quotes[quotes >= len(raw) - _CHARACTER_BYTES]
            sure = min(sure, *near[:1].tolist(), len(raw))
    return Cuts(starts[order], ends[order], sure, within)


def _covered(
    raw: bytes, final: bool, within: str, language: str
) -> tuple[list[int], npt.NDArray[np.int8], int, str]:
    """Where comments and literals stand.

    Returns:
        where literals begin; +1 where something begins and -1 where it ends, [bytes + 1]; up to
        where all of this is settled; the mark of what is open there.
    """
    # The space keeps an opening mark from becoming another one together with what follows.
    opened = f"{within} ".encode() if within else b""
    covered = np.zeros(len(raw) + 1, np.int8)
    strings: list[int] = []
    for match in _RULES[language].finditer(opened + raw):
        mark = _mark(match[0], language)
        start, end = match.start() - len(opened), match.end() - len(opened)
        goes_on, start = start < 0, max(start, 0)
        comment = mark in ("#", "//", "/*")
        if not comment and not goes_on and language == "python":
            start = _with_prefix(raw, start)
        covered[start] += 1
        covered[end] -= 1
        if not final and end == len(raw):
            # What closes it, or goes on, may come with the next block.
            begins = start if goes_on else match.start() - len(opened) + len(mark)
            passed = len(raw[begins:].rstrip(_MARKS)) + begins
            if passed - begins < _HELD:
                return strings, covered, start, within if goes_on else ""
            if not comment and not goes_on:
                strings.append(start)
            return strings, covered, passed, mark
        if not comment and not goes_on:
            strings.append(start)
    return strings, covered, len(raw), ""


def _mark(text: bytes, language: str) -> str:
    """What opens a comment or a literal."""
    for mark in ('"""', "'''"):
        if language == "python" and text.startswith(mark.encode()):
            return mark
    return text[: 2 if text[:1] == b"/" else 1].decode()


def _settled(raw: bytes, free: npt.NDArray[np.bool_], words: Cuts, runs: Cuts, signs: Cuts) -> int:
    """Up to where words, numbers and operators cannot change any more."""
    text = np.frombuffer(raw, np.uint8)
    alone = np.flatnonzero(_ALONE[text] & free[: len(raw)])
    sure = int(alone[-1]) + 1 if len(alone) else 0
    # A word that is no number has nothing to do with what stands before it.
    early = words.starts[words.starts < len(raw)]
    sure = max(sure, int(early[-1]) if len(early) else 0)
    if len(runs.ends) and runs.ends[-1] == len(raw) and len(raw) - runs.starts[-1] > _RUN:
        inside = signs.starts[signs.starts < len(raw) - _RUN // 2]
        sure = max(sure, int(inside[-1]) if len(inside) else 0)
    return sure


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
        at = np.array(places)[:, None]
        last = _cut(text) if len(text) <= _RUN else _cut.__wrapped__(text)
        starts.append((at + np.append(0, last[:-1])).reshape(-1))
        ends.append((at + last).reshape(-1))
    return Cuts(np.concatenate(starts), np.concatenate(ends), signs.sure)


@lru_cache(maxsize=4096)
def _cut(text: bytes) -> npt.NDArray[np.int64]:
    """Where the operators of a stretch end."""
    return np.fromiter((match.end() for match in _OPERATORS.finditer(text)), np.int64)
