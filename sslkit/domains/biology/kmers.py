"""Records as k-mers of letters: what domains have in common whose units are single letters.

Units on disk are codes of letters, one byte each. Tokens are the k-mers that start at every
``stride``-th letter; they are made when a batch is, so that a window may begin anywhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sslkit.domains.biology.ids import IdTable
from sslkit.domains.language.tokenwise import Specified
from sslkit.errors import OnError
from sslkit.files import sequences
from sslkit.types import Array, Record


class Shape(Protocol):
    """What settings say of k-mers."""

    @property
    def k(self) -> int:
        """Letters of a token."""
        ...

    @property
    def stride(self) -> int:
        """Letters from one token to the next; 0 stands for half of k."""
        ...

    @property
    def noise(self) -> float:
        """Share of letters that a corrupted copy changes."""
        ...


def settled(shape: Shape, letters: str) -> None:
    """Check frozen settings, and put the stride that 0 stands for into them.

    Args:
        letters: what they are called.

    Raises:
        ValueError: what cannot be.
    """
    k = shape.k
    if not 1 <= k <= 31:
        raise ValueError(f"k is between 1 and 31, not {k}")
    if shape.stride == 0:
        object.__setattr__(shape, "stride", max(1, k // 2))
    if not 1 <= shape.stride <= k:
        raise ValueError(
            f"stride is between 1 and k = {k}, not {shape.stride}: "
            f"a larger one would skip {letters}"
        )
    if not 0 <= shape.noise < 1:
        raise ValueError(f"noise is from 0 to below 1, not {shape.noise}")


class Kmers(Specified, ABC):
    """Part of ``contracts.domain.TokenDomain``."""

    _ids: IdTable
    #: Whether records may be longer than the memory: their payload is ``letters.Letters`` then.
    _spools = False

    def __init__(self, shape: Shape) -> None:
        self._k, self._stride = shape.k, shape.stride

    @abstractmethod
    def check(self, record: Record, on_error: OnError) -> Record:
        """See ``contracts.domain.RecordDomain``."""

    @abstractmethod
    def _numbers(self, units: Array) -> npt.NDArray[np.int64]:
        """The number of every k-mer, along the last axis; -1 for what is none."""

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The sequences of any file that ``files.sequences`` reads without further options."""
        found = sequences.read(path, "skip", spool=self._spools)
        checked = (self.check(record, "skip") for record in found)
        yield from sequences.stopping(checked, on_error)

    @property
    def unit_type(self) -> np.dtype[np.uint8]:
        """A byte a letter."""
        return np.dtype(np.uint8)

    @property
    def phases(self) -> int:
        """A motif falls onto tokens in as many ways as there are letters between tokens."""
        return self._stride

    def units(self, tokens: int) -> int:
        """Letters that give so many tokens."""
        return (tokens - 1) * self._stride + self._k

    def length(self, units: int) -> int:
        """Tokens that so many letters give; 0 where they are fewer than k."""
        return max(0, (units - self._k) // self._stride + 1)

    def _tokens(self, units: Array, lengths: Array) -> tuple[Array, npt.NDArray[np.int64]]:
        """Token ids [rows, tokens] of codes [rows, letters], and how many are real, [rows]."""
        tokens = self._ids[self._numbers(units)[:, :: self._stride]]
        count = np.maximum(0, (lengths - self._k) // self._stride + 1)
        tokens[np.arange(tokens.shape[1]) >= count[:, None]] = self.tokens.pad
        return tokens, count.astype(np.int64)
