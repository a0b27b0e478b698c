"""The words that all floors share: records, batches and what plug-ins promise each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.errors import OnError

if TYPE_CHECKING:
    import torch

Array: TypeAlias = npt.NDArray[Any]
#: What the data side makes: named arrays whose first axis is the row of the batch.
Arrays: TypeAlias = dict[str, Array]
#: The same on the device, as the model takes it.
Batch: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True, slots=True)
class Record:
    """One example as it stands in a file.

    ``number`` counts the records of ``source`` from 1, so that an error can name the place.
    ``error`` says why the payload could not be read; such a record has an empty payload.
    """

    id: str
    payload: Any
    source: str
    number: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def where(self) -> str:
        """The place, as error messages name it."""
        return f"{self.source}, record {self.number} ({self.id})"


@dataclass(frozen=True)
class TokenSpec:
    """What objective and model must know of a domain that gives tokens.

    Token ids are ``0 .. size-1`` as in the vocabulary; the special ids follow.

    Attributes:
        size: number of tokens of the vocabulary, without the special ones.
        reach: how many tokens to each side share content with a token. 0 where tokens do
            not overlap; ``ceil(k / stride) - 1`` for k-mers.
    """

    size: int
    reach: int = 0

    @property
    def pad(self) -> int:
        """Id that fills a row behind its last token."""
        return self.size

    @property
    def unknown(self) -> int:
        """Id of what the vocabulary does not hold."""
        return self.size + 1

    @property
    def mask(self) -> int:
        """Id that stands where a token is hidden."""
        return self.size + 2

    @property
    def first(self) -> int:
        """Id of the token put before every record."""
        return self.size + 3

    @property
    def total(self) -> int:
        """Rows of an embedding table: the vocabulary and the special ids."""
        return self.size + 4


class Draws(Protocol):
    """Random numbers as a pure function of seed, step, row and column (see ``rng``)."""

    def uniform(self, purpose: str, columns: int) -> npt.NDArray[np.float32]:
        """Uniform numbers in [0, 1), shape [rows, columns]."""
        ...


class Vocabulary(Protocol):
    """What a domain needs of a vocabulary (see ``vocab.vocabulary``)."""

    @property
    def tokens(self) -> Sequence[str]:
        """The tokens; the position is the id."""
        ...

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How often each token stands in the corpus."""
        ...

    def __len__(self) -> int: ...


class Domain(Protocol):
    """How raw files become examples. A file in ``domains/`` holds a class ``Domain``.

    The module gives ``VERSION``, ``GIVES`` (names of what its batches can hold) and
    ``Settings``; ``Domain(settings, vocabulary)`` is made without a vocabulary where only
    reading and counting are asked for.
    """

    @property
    def spec(self) -> TokenSpec:
        """Sizes and special ids; needs a vocabulary."""
        ...

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The records of one file, in its order. Bad ones carry ``error`` or stop the run."""
        ...

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        ...

    def encode(self, record: Record) -> Array:
        """The record as a compact 1-D array of units, which is what shards keep."""
        ...

    def units(self, tokens: int) -> int:
        """How many units give so many tokens."""
        ...

    def length(self, units: int) -> int:
        """How many tokens so many units give; 0 where they are too few."""
        ...

    def composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Features that need no model, [examples, features]: the floor of every probe."""
        ...

    def signature(self, record: Record) -> bytes:
        """Equal for records that must not stand on two sides of a split."""
        ...

    def batch(self, units: Array, lengths: Array, draws: Draws | None) -> Arrays:
        """Model inputs from a padded array of units, shape [rows, units].

        Returns ``tokens`` [rows, tokens] and ``length`` [rows], in tokens. ``draws`` asks for
        the random choices of training (a strand, say); without it nothing is random.
        """
        ...
