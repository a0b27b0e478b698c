"""Residues as small numbers, and as tokens to count.

0 to 19 are the twenty amino acids in alphabetical order of their letters, 20 selenocysteine (U)
and 21 pyrrolysine (O). What stands for several, or for none, has a number of its own each: 22 to
26 are B, J, X, Z and the stop.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.domains.biology import fasta
from sslkit.domains.biology.alike import Alike
from sslkit.domains.biology.substitution import RESIDUES
from sslkit.files.alignment import GAPS
from sslkit.types import Array
from sslkit.vocab.scheme import BREAK, SPARE, Codes, Slices

#: Letters whose windows are tokens, by code.
TOKENS = RESIDUES.encode() + b"UO"
AMBIGUOUS = b"BJXZ"
STOP = b"*"
_ALL = TOKENS + AMBIGUOUS + STOP
#: All that may stand in a protein, gaps included.
LETTERS = _ALL + _ALL[:-1].lower() + GAPS


def _tables() -> tuple[npt.NDArray[np.uint8], bytes]:
    codes = np.full(256, len(_ALL), np.uint8)
    counted = np.full(256, fasta.INVALID, np.uint8)
    for code, letter in enumerate(_ALL):
        both = [letter, bytes([letter]).lower()[0]]
        codes[both] = code
        counted[both] = letter if code < len(TOKENS) else BREAK
    return codes, counted.tobytes()


_CODES, _COUNTED = _tables()
_TABLE = _CODES.tobytes()


def to_codes(letters: bytes) -> npt.NDArray[np.uint8]:
    """Codes of letters without gaps, [residues] uint8."""
    # An array of indices would take eight bytes a residue on the way.
    return np.frombuffer(bytearray(letters.translate(_TABLE)), np.uint8)


def without_gaps(letters: bytes) -> bytes:
    """The residues themselves: no gaps, and no stop behind the last one."""
    return letters.translate(None, GAPS).removesuffix(STOP)


def kmer_codes(codes: Array, k: int) -> npt.NDArray[np.int64]:
    """The number of every k-mer in base 22, along the last axis: [..., residues - k + 1].

    A window with what is no residue gets -1. 22**14 is the most that 64 bits hold.
    """
    width = codes.shape[-1] - k + 1
    if width < 1:
        return np.empty((*codes.shape[:-1], 0), np.int64)
    values = np.zeros((*codes.shape[:-1], width), np.int64)
    bad = np.zeros(values.shape, np.bool_)
    for at in range(k):
        part = codes[..., at : at + width]
        values = values * len(TOKENS) + part
        bad |= part >= len(TOKENS)
    values[bad] = -1
    return values


#: What a protein is not, though all letters of bases stand for amino acids as well.
BASES = Alike(b"ACGTUN", 50, STOP, "DNA or RNA")


def scanner(
    name: str, k: int, *, skip: Collection[int] = (), bad: set[int] | None = None
) -> fasta.Scanner:
    """Reads the letters of a FASTA file; gaps are left out, what is no residue is a break."""
    return fasta.Scanner(name, _COUNTED, k, "a protein", skip=skip, bad=bad, gaps=GAPS, alike=BASES)


class Reader:
    """Windows of k residues out of the letters of a FASTA file; see ``vocab.scheme.Reader``."""

    pending = 0

    def __init__(self, scanner: fasta.Scanner, k: int) -> None:
        self._scanner = scanner
        self._k = k
        self._rest = np.empty(0, np.uint8)

    @property
    def tally(self) -> Counter[str]:
        """Records, letters and windows."""
        return self._scanner.tally

    def feed(self, block: bytes) -> Slices:
        """The windows that end in a block."""
        return self._windows(self._scanner.feed(block))

    def finish(self) -> Slices:
        """No more windows; checks the last record."""
        return self._windows(self._scanner.finish())

    def state(self) -> dict[str, Any]:
        """For ``restore``."""
        return {**self._scanner.state(), "rest": self._rest.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue in the middle of the file."""
        self._scanner.restore(state)
        self._rest = np.array(state["rest"], np.uint8)

    def _windows(self, codes: Codes) -> Slices:
        stream = np.concatenate((self._rest, codes))
        count = max(0, len(stream) - self._k + 1)
        self._rest = stream[count:]
        breaks = np.concatenate((np.zeros(1, np.int64), np.cumsum(stream == BREAK)))
        starts = np.flatnonzero(breaks[self._k :][:count] == breaks[:count])
        buffer = np.concatenate((stream, np.zeros(SPARE, np.uint8)))
        return Slices(buffer, starts, np.full(len(starts), self._k))
