"""What a domain says of its tokens, so that they can be counted without knowing the domain."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Codes: TypeAlias = npt.NDArray[np.uint8]

#: Stands in a stream of codes where no token may reach across: a border or a bad letter.
BREAK = 4


class LetterReader(Protocol):
    """Turns the bytes of one file, block by block, into letter codes.

    Attributes:
        records: records begun so far.
        letters: letters of all of them, ambiguous ones too.
        windows: places where a token of the scheme's width could stand in them.
    """

    records: int
    letters: int
    windows: int

    def feed(self, block: bytes) -> Codes:
        """The codes of a block, 0 to 3 or BREAK; runs of BREAK may be shortened to one."""
        ...

    def finish(self) -> Codes:
        """The codes that only the end of the file makes sure of.

        Raises:
            DataError: the file ends where it must not.
        """
        ...


class OpenLetterReader(Protocol):
    """Makes a reader for one file."""

    def __call__(
        self, name: str, *, skip: Collection[int] = (), bad: set[int] | None = None
    ) -> LetterReader:
        """A reader.

        Args:
            name: the file, for messages.
            skip: numbers of records to pass over, counted from 1.
            bad: where given, numbers of bad records are put here; else they stop the run.
        """
        ...


@dataclass(frozen=True)
class Kmers:
    """Tokens are the k letters that begin at every letter.

    Attributes:
        letters: the four letters in order of their codes; tokens sort as their codes do.
    """

    k: int
    letters: bytes
    reader: OpenLetterReader
