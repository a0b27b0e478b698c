"""Source code as identifiers, operators and classes of literals.

Identifiers and keywords stand for themselves (letters, digits, underscores, and everything that
is not ASCII); every string is the token ``"`` and every number the token ``0``; operators are as
long as they can be (``>>=``, ``->``). Comments are left out. Python is read by its own rules of
strings and comments; other languages by those of the family that the file's ending tells.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.domains import _literals
from sslkit.errors import OnError
from sslkit.files import source
from sslkit.vocab.scheme import Octets, Strings
from sslkit.vocab.splitting import Cuts, Flags, Index, SplitReader

VERSION = 1
GIVES: frozenset[str] = frozenset()

_PYTHON = (".py", ".pyi", ".pyx")
_HASH = (".sh", ".bash", ".rb", ".pl", ".r", ".jl", ".yaml", ".toml", ".cmake")
_BRACES = (
    *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".java", ".kt", ".scala", ".swift"),
    *(".cs", ".go", ".rs", ".js", ".jsx", ".ts", ".tsx", ".php", ".cu", ".m", ".dart"),
)
ENDINGS = (*_PYTHON, *_BRACES, *_HASH)

_QUOTED = (".js", ".jsx", ".ts", ".tsx", ".php", ".dart", ".m")
# What an operator of three or four signs begins with is one too.
_OPERATORS = (
    *(">>>=", "<<=", ">>=", ">>>", "**=", "//=", "===", "!==", "...", "<=>", "&&=", "||=", "??="),
    *("->", "=>", ":=", "::", "++", "--", "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "+="),
    *("-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "**", "//", "??", "?.", ".."),
)
_LONGEST = 4
_ROOT = 1


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


def _tree() -> npt.NDArray[np.uint8]:
    """Operators as a tree: the number of what one may begin with, and one more sign.

    Returns:
        [256 * number + sign]; 0 is the number of what begins no operator, _ROOT that of nothing.
    """
    parts = {text[:length] for text in _OPERATORS for length in range(1, len(text) + 1)}
    numbers = {text: number for number, text in enumerate(sorted(parts | {""}), _ROOT)}
    tree = np.zeros(256 * (len(numbers) + 1), np.uint8)
    for text in parts:
        tree[256 * numbers[text[:-1]] + ord(text[-1])] = numbers[text]
    return tree


_TREE = _tree()
_SECOND = np.isin(np.arange(256), [ord(text[1]) for text in _OPERATORS])


def _tokens(text: Octets, final: bool, within: str, language: str) -> Cuts:
    """Tokens of a piece of code; literals are rewritten in it as what they count as.

    ``within`` is the mark that opened the comment or literal that the piece begins in.
    """
    covered = _literals.find(text, final, within, language)
    words, signs = _kinds(text, covered)
    first, last = signs.copy(), signs.copy()
    first[:1] |= words[:1]
    first[1:] |= words[1:] > words[:-1]
    last[-1:] |= words[-1:]
    last[:-1] |= words[:-1] > words[1:]
    _join_signs(text, signs, first, last)
    literals = covered.starts[covered.literals]
    first[literals] = last[literals] = True
    starts, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    touches = len(starts) > 0 and bool(words[-1] | signs[-1])
    whole, numbers = _numbers(text, starts, ends)
    sure = covered.sure
    if not final and not covered.within and touches:
        sure = min(sure, _settled(len(text), starts, whole, ends, bool(signs[-1])))
    ends[numbers] = starts[numbers] + 1
    text[starts[numbers]] = ord("0")
    text[literals] = ord('"')
    if not whole.all():
        starts, ends = starts[whole], ends[whole]
    return Cuts(starts, ends, sure, covered.within)


def _kinds(text: Octets, covered: _literals.Covered) -> tuple[Flags, Flags]:
    """Which bytes stand in words and which are signs, outside of comments and literals."""
    bounds = np.stack((covered.starts, covered.ends), axis=1).reshape(-1)
    lengths = np.diff(bounds, prepend=0, append=len(text))
    free = np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)
    words = _literals.in_words(text)
    signs = ((text - np.uint8(33)) < 94) & ~words & free
    words &= free
    return words, signs


def _join_signs(text: Octets, signs: Flags, first: Flags, last: Flags) -> None:
    """Leave of the first and the last bytes of tokens only those of the longest operators."""
    masked = np.zeros(len(text) + _LONGEST, np.uint8)
    np.multiply(text, signs, out=masked[: len(text)])
    begins = np.flatnonzero(signs[:-1] & signs[1:])
    begins = begins[np.flatnonzero(_SECOND[masked[begins + 1]])]
    number = _TREE[256 * _ROOT + masked[begins].astype(np.int64)].astype(np.int64)
    lengths = np.ones(len(begins), np.int64)
    for distance in range(1, _LONGEST):
        number = _TREE[256 * number + masked[begins + distance]].astype(np.int64)
        lengths += number > 0
    several = np.flatnonzero(lengths > 1)
    begins = begins[several]
    ends = begins + lengths[several]
    # Where the one before reaches over it, an operator is one only if that one is none.
    heads = np.ones(len(begins), np.bool_)
    heads[1:] = begins[1:] >= np.maximum.accumulate(ends)[:-1]
    if not heads.all():
        following = np.searchsorted(begins, ends)
        following[np.append(heads, True)[following]] = len(begins)
        kept = _literals.reached(following, np.flatnonzero(heads))
        begins, ends = begins[kept], ends[kept]
    for distance in range(1, _LONGEST):
        inside = begins[begins + distance < ends] + distance
        first[inside] = False
        last[inside - 1] = False


def _numbers(text: Octets, starts: Index, ends: Index) -> tuple[Flags, Index]:
    """Which tokens are whole or begin numbers, and the numbers of those that are numbers.

    A number begins with a digit. It goes on over a dot before a digit, and over a sign behind an
    exponent.
    """
    whole = np.ones(len(starts), np.bool_)
    digits = np.flatnonzero((text[starts] - np.uint8(48)) < 10)
    near = np.flatnonzero(digits[1:] == digits[:-1] + 2)
    near = near[starts[digits[near + 1]] == ends[digits[near]] + 1]
    begin, end = starts[digits[near]], ends[digits[near]]
    between = text[end]
    exponent = ((text[end - 1] | 32) == ord("e")) & ((text[begin + 1] | 32) != ord("x"))
    goes_on = (between == ord(".")) | (exponent & ((between == ord("+")) | (between == ord("-"))))
    joined = digits[near[goes_on]]
    whole[joined + 1] = whole[joined + 2] = False
    return whole, digits[whole[digits]]


def _settled(size: int, starts: Index, whole: Flags, ends: Index, sign: bool) -> int:
    """Up to where tokens cannot change any more, the last of which touches the end of the piece."""
    number = len(starts) - 1
    if not sign:
        return int(starts[_beginning(whole, number)])
    behind = int(np.searchsorted(starts, size - _LONGEST + 1))
    unsure = starts[behind:][whole[behind:]]
    sure = int(unsure[0]) if len(unsure) else size
    if number and ends[number - 1] == size - 1:
        # The sign may be that of an exponent, or the dot of a number.
        sure = min(sure, int(starts[_beginning(whole, number - 1)]))
    return sure


def _beginning(whole: Flags, number: int) -> int:
    """The token that a token is part of."""
    return number - int(np.argmax(whole[number::-1]))
