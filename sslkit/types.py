"""The words that all floors share: records, batches and what plug-ins promise each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from sslkit.errors import OnError

if TYPE_CHECKING:
    import torch

_Cell = TypeVar("_Cell")
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
        parts: what each token is made of, numbers from 0, [size, parts of a token]; None where
            tokens are taken as wholes. Tokens that share parts begin with something in common.
    """

    size: int
    reach: int = 0
    parts: npt.NDArray[np.int64] | None = field(default=None, compare=False)

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


class Objective(Protocol):
    """What must be predicted. A file in ``objectives/`` holds a class ``Objective``.

    The module gives ``VERSION``, ``NEEDS`` (names that batches must hold) and ``Settings``.
    """

    def head(self, width: int) -> "torch.nn.Module":
        """The parameters beyond the encoder's."""
        ...

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Hide, corrupt or pair: what the model sees and what it must answer."""
        ...

    def count(self, batch: Arrays) -> dict[str, float]:
        """Number of terms in each loss, so that it can be a mean over all processes."""
        ...

    def losses(
        self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Batch
    ) -> "dict[str, torch.Tensor]":
        """Each loss summed over its terms."""
        ...


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

    def check(self, record: Record, on_error: OnError) -> Record:
        """A record that was read elsewhere; a bad one carries ``error`` or stops the run."""
        ...

    @property
    def encoding(self) -> str:
        """All settings that shape the units of a record; part of a shard's name."""
        ...

    def encode(self, record: Record) -> Array:
        """The record as a compact 1-D array of units, which is what shards keep."""
        ...

    def twin(self, units: Array) -> Array:
        """Another form that says the same (the reverse complement), or the units themselves."""
        ...

    @property
    def phases(self) -> int:
        """How many first units of a record may be left out to give other tokens, plus one."""
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

    def places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Which unit stands where, one-hot, [examples, features]: the floor of aligned records.

        All examples have the same number of units.
        """
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


@dataclass(frozen=True)
class Labelled:
    """Examples with a label each, as their files have them; every tuple has one entry each.

    Attributes:
        texts: cells of the sequence column.
        labels: cells of the label column, stripped, never empty.
        parts: ``train``, ``valid`` or ``test`` for each, where the files say so.
        sources: the file of each.
        numbers: the row of each in its file, from 1.
        files: the files that were read.
        skipped: rows passed over because they could not be used.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...] | None
    sources: tuple[str, ...]
    numbers: tuple[int, ...]
    files: tuple[Path, ...]
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, position: int) -> str:
        """The place of one example, as error messages name it."""
        return f"{self.sources[position]}, row {self.numbers[position]} ({self.ids[position]})"

    def take(self, positions: Sequence[int], skipped: int = 0) -> "Labelled":
        """The examples at ``positions``; ``skipped`` more were passed over."""

        def pick(column: Sequence[_Cell]) -> tuple[_Cell, ...]:
            return tuple(column[position] for position in positions)

        return replace(
            self,
            ids=pick(self.ids),
            texts=pick(self.texts),
            labels=pick(self.labels),
            parts=None if self.parts is None else pick(self.parts),
            sources=pick(self.sources),
            numbers=pick(self.numbers),
            skipped=self.skipped + skipped,
        )


@dataclass(frozen=True)
class Targets:
    """Labels as numbers.

    Attributes:
        values: class numbers int64, or the target itself float64, [examples].
        classes: their names by number, for binary tasks negative then positive; empty for
            regression.
    """

    values: Array
    classes: tuple[str, ...] = ()


class Task(Protocol):
    """What the labels mean. A file in ``tasks/`` holds a class ``Task``, made of ``Settings``.

    The module gives ``VERSION``, ``DOMAIN`` (the domain it belongs to, "" for any), ``KIND``
    (binary, multiclass, regression), ``METRICS`` (names of ``probes.metrics``, the headline
    first) and ``Settings``.
    """

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Labelled examples of files by part; under "" those whose part is not settled."""
        ...

    def encode_labels(self, labelled: Labelled) -> Targets:
        """Labels as numbers; refuses what does not fit the kind, naming file and row."""
        ...
