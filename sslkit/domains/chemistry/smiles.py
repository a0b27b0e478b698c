"""SMILES as tokens, and tokens as units of 64 bits.

A token is an atom (``C``, ``Cl``, ``c``), an atom in brackets with all that stands in them
(``[nH+]``), a bond, a branch, a dot, or a ring number (``1``, ``%12``, ``%(123)``).

A unit is the letters of a token, the first in the lowest byte, so that a SMILES can be written
back from its units without a vocabulary. The few tokens that are longer than eight letters are
hashes, with the topmost bit set, which no letter of ASCII has: from those nothing is written back.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import Octets
from sslkit.vocab.splitting import Cuts

Flags: TypeAlias = npt.NDArray[np.bool_]
Units: TypeAlias = npt.NDArray[np.uint64]

_TOKEN = re.compile(r"\[[^\]]*\]|Br|Cl|%\d\d|%\(\d+\)|.")
_ROOM = 8
_HASHED = 1 << 63
_TYPE = np.dtype("<u8")

_ENDS_LINE = np.zeros(256, np.bool_)
_ENDS_LINE[[0, 10, 13]] = True
_AHEAD = 8
_BEHIND = "behind"
_OPEN, _CLOSE, _PERCENT = ord("["), ord("]"), ord("%")


def tokens(smiles: str) -> list[str]:
    """The tokens of a SMILES, as ``rule`` cuts them."""
    return _TOKEN.findall(smiles)


def pack(found: Iterable[str]) -> Units:
    """The unit of each token, [tokens]; tokens are ASCII."""
    raw = [token.encode() for token in found]
    padded = b"".join(one.ljust(_ROOM, b"\0") if len(one) <= _ROOM else _hash(one) for one in raw)
    return np.frombuffer(padded, _TYPE).astype(np.uint64)


def _hash(token: bytes) -> bytes:
    number = int.from_bytes(hashlib.blake2b(token, digest_size=_ROOM).digest(), "little")
    return (number | _HASHED).to_bytes(_ROOM, "little")


def unpack(units: Units) -> str | None:
    """The SMILES that units were packed from; None where a token of it was too long."""
    if (units >> np.uint64(63)).any():
        return None
    # Zeros behind the letters are what fills the room.
    return b"".join(units.astype(_TYPE).view(f"S{_ROOM}").tolist()).decode("ascii")


def rule(text: Octets, final: bool, within: str) -> Cuts:
    """Tokens of the first column of each line; see ``splitting.Rule``.

    ``within`` says so of text that begins behind the first column.
    """
    line_ends = _ENDS_LINE[text]
    begin = 0
    if within:
        found = np.flatnonzero(line_ends)
        if not len(found):
            return Cuts(found, found, len(text), within)
        begin = int(found[0])
        text, line_ends = text[begin:], line_ends[begin:]
    inside = _first_column(text, line_ends)
    follows = inside & (_in_brackets(text, line_ends) | _second_letters(text))
    starts = np.flatnonzero(inside & ~follows)
    # A token ends where the next one begins, or where the column does.
    edges = np.flatnonzero(~follows)
    ends = np.append(edges, len(text))[np.searchsorted(edges, starts, side="right")]
    last = np.flatnonzero(line_ends)
    sure, within = _settled(text, starts, int(last[-1]) + 1 if len(last) else 0)
    return Cuts(starts + begin, ends + begin, len(text) + begin if final else sure + begin, within)


def _settled(text: Octets, starts: npt.NDArray[np.int64], line: int) -> tuple[int, str]:
    """Up to where tokens cannot change any more, and whether that is behind the first column.

    Args:
        starts: of the tokens.
        line: where the last line begins.
    """
    # No token but one in brackets looks further ahead than this.
    early = starts[(starts >= line) & (starts <= len(text) - _AHEAD)]
    letters = np.flatnonzero(text[line:] > 32)
    if not len(letters):
        return len(text), ""
    head = line + int(letters[0])
    if (text[head : len(text) - _AHEAD] <= 32).any():
        return len(text), _BEHIND
    return (int(early[-1]) if len(early) else line), ""


def _first_column(text: Octets, line_ends: Flags) -> Flags:
    """Bytes before the first white space of their line; white space before them is no matter."""
    blank = text <= 32
    number = np.arange(len(text))
    began = np.concatenate(([True], line_ends[:-1]))
    line = np.maximum.accumulate(np.where(began, number, 0))
    # The place of the last letter that follows a blank, or begins the line.
    heads = ~blank & np.concatenate(([True], blank[:-1]))
    order = np.cumsum(heads)
    before = np.concatenate(([0], order))[line]
    found: Flags = ~blank & (order - before == 1)
    return found


def _in_brackets(text: Octets, line_ends: Flags) -> Flags:
    """Bytes behind an opening bracket, up to and with its closing one, on the same line."""
    number = np.arange(len(text))
    opened = np.maximum.accumulate(np.where(text == _OPEN, number, -1))
    ends = np.where((text == _CLOSE) | line_ends, number, -1)
    closed = np.maximum.accumulate(ends)
    before = np.concatenate(([-1], closed[:-1]))
    found: Flags = (opened > before) & (text != _OPEN)
    return found


def _second_letters(text: Octets) -> Flags:
    """The l of Cl, the r of Br, what belongs to a ring number, and the rest of a character."""
    follows: Flags = (text & 0xC0) == 0x80
    pairs = ((text[:-1] == ord("C")) & (text[1:] == ord("l"))) | (
        (text[:-1] == ord("B")) & (text[1:] == ord("r"))
    )
    follows[1:] |= pairs
    percent = np.flatnonzero(text == _PERCENT)
    for digit in (1, 2):
        follows[percent[percent + digit < len(text)] + digit] = True
    long = percent[percent + 1 < len(text)]
    for place in long[text[long + 1] == ord("(")]:
        closing = np.flatnonzero(text[place : place + 8] == ord(")"))
        if len(closing):
            follows[place + 1 : place + closing[0] + 1] = True
    return follows
