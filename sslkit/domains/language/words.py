"""The rules that cut running text into words, into what stands between spaces, or into pieces."""

import sys
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import Octets
from sslkit.vocab.splitting import Cuts, Rule, stretches

_ASCII_WORD = bytes(chr(byte).isalnum() or byte == ord("_") for byte in range(128)) + bytes(128)
_ASCII_SPACE = bytes(byte > 32 and byte != 127 for byte in range(256))
_WORD = r"\p{L}\p{M}\p{N}_"
_BLANK = r"\x01-\x09\x0b-\x20\x7f\p{Z}"
_VISIBLE = r"[^\x00-\x20\x7f\p{Z}]"
#: The same rules as regular expressions (Oniguruma), by name.
PATTERNS = {
    "words": f"[{_WORD}]+",
    "spaces": f"{_VISIBLE}+",
    "pieces": f" ?[{_WORD}]+| ?[^\\x00-\\x20\\x7f\\p{{Z}}{_WORD}]+"
    f"|[{_BLANK}]*\\n|[{_BLANK}]+(?= {_VISIBLE})|[{_BLANK}]+",
}


def _words(text: Octets, final: bool, _within: str) -> Cuts:
    return stretches(_inside(text, _ASCII_WORD, "LMN"), final)


def _between_spaces(text: Octets, final: bool, _within: str) -> Cuts:
    return stretches(_inside(text, _ASCII_SPACE, "LMNPSC"), final)


def _pieces(text: Octets, final: bool, _within: str) -> Cuts:
    visible = _inside(text, _ASCII_SPACE, "LMNPSC")
    word = _inside(text, _ASCII_WORD, "LMN")
    kind = np.where(visible, 1 + word.astype(np.int8), np.int8(3) * (text != 0))
    begins = np.ones(len(text) + 1, np.bool_)
    begins[1:-1] = (kind[1:] != kind[:-1]) | (text[:-1] == ord("\n"))
    # A space goes with what is visible behind it.
    takes = np.flatnonzero(visible[1:] & (text[:-1] == ord(" "))) + 1
    begins[takes], begins[takes - 1] = False, True
    starts, ends = np.flatnonzero(begins[:-1]), np.flatnonzero(begins[1:]) + 1
    sure = len(text) if final or not len(starts) else int(starts[-1])
    kept = kind[starts] > 0
    return Cuts(starts[kept], ends[kept], sure)


def _inside(text: Octets, ascii_table: bytes, categories: str) -> npt.NDArray[np.bool_]:
    """Which bytes of valid UTF-8 belong to characters of a token."""
    raw = text.tobytes()
    inside = np.frombuffer(bytearray(raw.translate(ascii_table)), np.bool_)
    if not raw.isascii():
        high = np.flatnonzero(text & 0x80)
        # The bytes of other characters follow each other, so they decode as a text of their own.
        points = np.frombuffer(text[high].tobytes().decode().encode("utf-32-le"), np.uint32)
        sizes = 2 + (points >= 0x800).astype(np.int64) + (points >= 0x10000)
        inside[high] = np.repeat(_of_categories(categories)[points], sizes)
    return inside


@cache
def _of_categories(categories: str) -> npt.NDArray[np.bool_]:
    """Whether each code point is of these general categories."""
    return np.fromiter(
        (unicodedata.category(chr(point))[0] in categories for point in range(sys.maxunicode + 1)),
        np.bool_,
        sys.maxunicode + 1,
    )


#: By name; none of them needs to know what stands before the text.
RULES: dict[str, Rule] = {"words": _words, "spaces": _between_spaces, "pieces": _pieces}
