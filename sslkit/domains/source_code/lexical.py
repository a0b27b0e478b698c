"""How source code is cut into tokens, a whole block at once.

Identifiers and keywords stand for themselves (letters, digits, underscores, and everything that
is not ASCII); every string is the token ``"`` and every number the token ``0``; operators are as
long as they can be (``>>=``, ``->``). Comments are left out.

Why arrays and not one regular expression: for 50 MB of code (15 million tokens, processor seconds
of one core) the expression of tests/domains/source_code/test_lexical.py with a ``Counter`` takes
14.4, this file 2.2, and all of ``tr | sort | uniq -c | sort`` 4.1. ``build-vocab`` is meant to be
four times as fast as sort on a large corpus; with the expression it would be several times slower.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.domains.source_code import literals as _literals
from sslkit.files import source
from sslkit.vocab.scheme import Octets
from sslkit.vocab.splitting import LONGEST, Cuts, Flags, Index

#: Identifiers are tokens as they are, or in parts.
Split: TypeAlias = Literal["words", "parts"]

PYTHON = (".py", ".pyi", ".pyx")
_HASH = (".sh", ".bash", ".rb", ".pl", ".r", ".jl", ".yaml", ".toml", ".cmake")
_BRACES = (
    *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".java", ".kt", ".scala", ".swift"),
    *(".cs", ".go", ".rs", ".js", ".jsx", ".ts", ".tsx", ".php", ".cu", ".m", ".dart"),
)
ENDINGS = (*PYTHON, *_BRACES, *_HASH)

_QUOTED = (".js", ".jsx", ".ts", ".tsx", ".php", ".dart", ".m")
# What an operator of three or four signs begins with is one too.
_OPERATORS = (
    *(">>>=", "<<=", ">>=", ">>>", "**=", "//=", "===", "!==", "...", "<=>", "&&=", "||=", "??="),
    *("->", "=>", ":=", "::", "++", "--", "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "+="),
    *("-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "**", "//", "??", "?.", ".."),
)
# Those of Python alone; two dots are none, but three begin with them.
_OF_PYTHON = (
    *("<<=", ">>=", "**=", "//=", "...", "->", ":=", "<<", ">>", "<=", ">=", "==", "!=", "+="),
    *("-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "**", "//"),
)
_LONGEST = 4
_ROOT = 1


def language(name: str) -> str:
    """The family of rules that a file's name tells, of ``_literals.MARKS``."""
    ending = Path(source.plain_name(Path(name))).suffix.lower()
    if ending in PYTHON or ending not in ENDINGS:
        return "python"
    if ending in _HASH:
        return "hash"
    return "quotes" if ending in _QUOTED else "braces"


def _tree(operators: Collection[str]) -> npt.NDArray[np.uint8]:
    """Operators as a tree: the number of what one may begin with, and one more sign.

    Returns:
        [256 * number + sign]; 0 is the number of what begins no operator, _ROOT that of nothing.
    """
    parts = {text[:length] for text in operators for length in range(1, len(text) + 1)}
    numbers = {text: number for number, text in enumerate(sorted(parts | {""}), _ROOT)}
    tree = np.zeros(256 * (len(numbers) + 1), np.uint8)
    for text in parts:
        tree[256 * numbers[text[:-1]] + ord(text[-1])] = numbers[text]
    return tree


_TREE, _PYTHON_TREE = _tree(_OPERATORS), _tree(_OF_PYTHON)
# Kinds of letters in identifiers, and between which of them a part ends.
_SMALL, _CAPITAL, _DIGIT, _UNDERSCORE, _CLASSES = 1, 2, 3, 4, 5


def _kinds_of_letters() -> tuple[npt.NDArray[np.uint8], Flags]:
    kinds = np.full(256, _SMALL, np.uint8)
    kinds[ord("A") : ord("Z") + 1] = _CAPITAL
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    kinds[ord("_")] = _UNDERSCORE
    borders = np.zeros((_CLASSES, _CLASSES), np.bool_)
    borders[_SMALL, [_CAPITAL, _DIGIT, _UNDERSCORE]] = True
    borders[_CAPITAL, [_DIGIT, _UNDERSCORE]] = True
    borders[_DIGIT, [_SMALL, _CAPITAL, _UNDERSCORE]] = True
    return kinds, borders.reshape(-1)


_KINDS, _BORDERS = _kinds_of_letters()
_SECOND = np.isin(np.arange(256), [ord(text[1]) for text in _OPERATORS])


def tokens(text: Octets, final: bool, within: str, language: str, split: Split) -> Cuts:
    """Tokens of a piece of code; literals are rewritten in it as what they count as.

    With ``parts`` identifiers are cut into parts, and the operators of Python are its own; else
    they are those of all languages. ``within`` is the mark that opened the comment or literal that
    the piece begins in.
    """
    covered = _literals.find(text, final, within, language)
    words, signs = _kinds(text, covered)
    first, last = signs.copy(), signs.copy()
    first[:1] |= words[:1]
    first[1:] |= words[1:] > words[:-1]
    last[-1:] |= words[-1:]
    last[:-1] |= words[:-1] > words[1:]
    own = split == "parts" and language == "python"
    _join_signs(text, signs, first, last, _PYTHON_TREE if own else _TREE)
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
    if split == "parts":
        starts, ends = _parts(text, words, starts, ends)
    return Cuts(starts, ends, sure, covered.within)


def _parts(text: Octets, words: Flags, starts: Index, ends: Index) -> tuple[Index, Index]:
    """The parts of identifiers: ``_HTTPServer2_name`` is ``_HTTP``, ``Server``, ``2``, ``_name``.

    A part takes the underscores before it along, so that nothing but an identifier reads as its
    parts do. Letters beyond ASCII are small ones. What is no word of any vocabulary stays whole.
    """
    kinds = _KINDS[text] * words
    before, here = kinds[:-1], kinds[1:]
    cut = _BORDERS[_CLASSES * before + here]
    # Of several capitals, the last begins a word where a small letter follows.
    capital = (before[:-1] == _CAPITAL) & (here[:-1] == _CAPITAL) & (here[1:] == _SMALL)
    cut[:-1] |= capital
    places = np.flatnonzero(cut) + 1
    of = np.searchsorted(starts, places, "right") - 1
    inside = (of >= 0) & (places < ends[of]) & (ends[of] - starts[of] <= LONGEST)
    places = places[inside]
    if not len(places):
        return starts, ends
    at = of[inside] + 1
    return np.insert(starts, at, places), np.insert(ends, at - 1, places)


def _kinds(text: Octets, covered: _literals.Covered) -> tuple[Flags, Flags]:
    """Which bytes stand in words and which are signs, outside of comments and literals."""
    bounds = np.stack((covered.starts, covered.ends), axis=1).reshape(-1)
    lengths = np.diff(bounds, prepend=0, append=len(text))
    free = np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)
    words = _literals.in_words(text)
    signs = ((text - np.uint8(33)) < 94) & ~words & free
    words &= free
    return words, signs


def _join_signs(
    text: Octets, signs: Flags, first: Flags, last: Flags, tree: npt.NDArray[np.uint8]
) -> None:
    """Leave of the first and the last bytes of tokens only those of the longest operators."""
    masked = np.zeros(len(text) + _LONGEST, np.uint8)
    np.multiply(text, signs, out=masked[: len(text)])
    begins = np.flatnonzero(signs[:-1] & signs[1:])
    begins = begins[np.flatnonzero(_SECOND[masked[begins + 1]])]
    number = tree[256 * _ROOT + masked[begins].astype(np.int64)].astype(np.int64)
    lengths = np.ones(len(begins), np.int64)
    for distance in range(1, _LONGEST):
        number = tree[256 * number + masked[begins + distance]].astype(np.int64)
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
