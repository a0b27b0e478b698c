"""Proteins as residues, or as k-mers of residues.

Residues are the twenty amino acids, selenocysteine (U) and pyrrolysine (O); windows with an
ambiguous letter (B, J, X, Z), a gap or a stop are skipped and counted. Lower case is upper case.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sslkit.domains import _fasta
from sslkit.errors import OnError
from sslkit.vocab.scheme import BREAK, SPARE, Codes, Slices, Strings

VERSION = 1
GIVES: frozenset[str] = frozenset()
ENDINGS = (".faa", ".pep", ".aa")

_RESIDUES = b"ACDEFGHIKLMNOPQRSTUVWY"
_AMBIGUOUS = b"BJXZ*-."
#: Letters of proteins, ambiguous ones, gaps and stops included.
LETTERS = _RESIDUES + _RESIDUES.lower() + _AMBIGUOUS + _AMBIGUOUS.lower()


def _table() -> bytes:
    table = np.full(256, _fasta.INVALID, np.uint8)
    table[list(_AMBIGUOUS + _AMBIGUOUS.lower())] = BREAK
    table[list(_RESIDUES)] = table[list(_RESIDUES.lower())] = list(_RESIDUES)
    return table.tobytes()


_CODES = _table()


@dataclass(frozen=True)
class Settings:
    """Options of the protein domain."""

    k: int = field(default=1, metadata={"help": "residues per token"})

    def __post_init__(self) -> None:
        if not 1 <= self.k <= 31:
            raise ValueError(f"k is between 1 and 31, not {self.k}")


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted: k-mers at every residue."""
    del on_error  # the stage asks for a survey first where bad records are to be skipped
    k = settings.k
    return Strings(
        reader=lambda name, skip: _Reader(_scanner(name, k, skip=skip), k),
        survey=lambda name, bad: _scanner(name, k, bad=bad),
        fasta=True,
        divide=b"\n>",
    )


def _scanner(
    name: str, k: int, *, skip: Collection[int] = (), bad: set[int] | None = None
) -> _fasta.Scanner:
    return _fasta.Scanner(name, _CODES, k, "a protein", skip=skip, bad=bad)


class _Reader:
    """Windows of k residues out of the letters of a FASTA file."""

    pending = 0

    def __init__(self, scanner: _fasta.Scanner, k: int) -> None:
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
