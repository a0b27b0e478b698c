"""What a domain says of its tokens, so that they can be counted without knowing the domain.

A domain's ``counting(settings, on_error)`` gives ``Kmers`` or ``Strings``. Both name a reader,
which gets the bytes of a file block by block and gives back what is to be counted.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Octets: TypeAlias = npt.NDArray[np.uint8]
#: Letter codes: 0 to 3, and BREAK.
Codes: TypeAlias = npt.NDArray[np.uint8]

#: Stands in a stream of codes where no token may reach across: a border or a bad letter.
BREAK = 4
#: Bytes that a buffer of slices has behind its last token, so that tokens may be read in words.
SPARE = 16


@dataclass(frozen=True, slots=True)
class Slices:
    """Tokens as stretches of a buffer.

    Attributes:
        buffer: bytes; the last SPARE of them belong to no token.
        starts: where each token begins, [tokens] int64.
        lengths: bytes of each token, at least 1; none of them is 0, [tokens] int64.
    """

    buffer: Octets
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def windows(buffer: Octets) -> npt.NDArray[np.uint64]:
    """The eight bytes from every byte on as a number, without copying; the lowest byte first.

    Args:
        buffer: of ``Slices``; none begin at its last SPARE bytes.
    """
    return np.ndarray((len(buffer) - SPARE,), "<u8", buffer, strides=(1,))


_Unit_co = TypeVar("_Unit_co", covariant=True)


class Reader(Protocol[_Unit_co]):
    """Turns the bytes of one file, block by block, into what is to be counted."""

    @property
    def tally(self) -> Counter[str]:
        """What was met on the way, by name: records, letters, skipped tokens."""
        ...

    @property
    def pending(self) -> int:
        """Bytes that were fed and must be fed again after ``restore``."""
        ...

    def feed(self, block: bytes) -> _Unit_co:
        """What a block makes sure of."""
        ...

    def finish(self) -> _Unit_co:
        """What only the end of the file makes sure of.

        Raises:
            DataError: the file ends where it must not.
        """
        ...

    def state(self) -> dict[str, Any]:
        """All that ``restore`` needs, as JSON can hold it."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where another reader's ``state`` was taken."""
        ...


@dataclass(frozen=True)
class Kmers:
    """Tokens are the k letters that begin at every letter.

    Attributes:
        letters: the four letters in order of their codes, complements 0-3 and 1-2.
        reader: ``reader(name, skip)`` reads a file and passes over the records of these numbers.
        survey: ``survey(name, bad)`` reads a file only to put the numbers of bad records into
            ``bad``; asked for before ``reader`` where bad records are to be skipped.
        fasta: whether readers want FASTA, into which other files of sequences are turned.
        divide: bytes behind whose first one a file may be divided; empty where no place is safe.
    """

    k: int
    letters: bytes
    reader: Callable[[str, Collection[int]], Reader[Codes]]
    survey: Callable[[str, set[int]], Reader[Codes]] | None = None
    fasta: bool = True
    divide: bytes = b"\n>"


@dataclass(frozen=True)
class Strings:
    """Tokens are stretches of the text; the rest as in ``Kmers``.

    Attributes:
        whole: endings of names of files that are not divided.
        pattern: a regular expression (Oniguruma) that finds them in text, for other programs;
            where the text itself is not enough, in the tokens with spaces between them.
        needs_tokens: whether a file without a token is refused.
    """

    reader: Callable[[str, Collection[int]], Reader[Slices]]
    survey: Callable[[str, set[int]], Reader[Any]] | None = None
    fasta: bool = False
    divide: bytes = b"\n"
    whole: tuple[str, ...] = ()
    pattern: str = r"\S+"
    needs_tokens: bool = False


Scheme: TypeAlias = Kmers | Strings
