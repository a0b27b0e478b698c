"""The words that all layers share: records, batches and what plug-ins promise each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

_Cell = TypeVar("_Cell")
Array: TypeAlias = npt.NDArray[Any]
#: What the data side makes: named arrays whose first axis is the row of the batch.
Arrays: TypeAlias = dict[str, Array]
#: The same on the device, as the model takes it.
Batch: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(slots=True)
class Record:
    """One example as it stands in a file; nobody changes it.

    It is not frozen, since that makes it three times as slow to make (1.0 against 0.3 us), which is
    half of the time that reading short sequences takes.

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
class Reference:
    """The values of a field on a grid of two coordinates, as somebody else found them.

    Attributes:
        name: of its file.
        first, second: places on the axes, [A] and [B], ascending.
        values: [A, B].
    """

    name: str
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """All places of the grid, [A * B, 2]."""
        grid = np.meshgrid(self.first, self.second, indexing="ij")
        return np.stack(grid, -1).reshape(-1, 2)


class Draws(Protocol):
    """Random numbers as a pure function of seed, step, row and column (see ``rng``)."""

    def uniform(self, purpose: str, columns: int) -> npt.NDArray[np.float32]:
        """Uniform numbers in [0, 1), shape [rows, columns]."""
        ...


@dataclass(frozen=True)
class Spelling:
    """How words are spelled in tokens that are pieces of them (see ``vocab.subwords``).

    Attributes:
        special: how many tokens, the first ones, are whole words that are never cut.
        merges: of byte-pair encoding: the ids of two pieces that are joined, the pair that is
            joined first of all first, [merges, 2] int64; none for a unigram model.
        scores: of a unigram model: the log-probability of each token, -inf where it is no piece,
            [tokens] float64; none for byte-pair encoding.
    """

    special: int
    merges: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


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

    @property
    def spelling(self) -> Spelling | None:
        """How words are spelled in the tokens; None where a token is a whole word."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Weighted:
    """The settings that all objectives of pretraining share."""

    weight: float = field(
        default=1.0, metadata={"help": "factor of its loss where objectives are added up"}
    )

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise ValueError(f"weight is above 0, not {self.weight}")


@dataclass(frozen=True)
class Labelled:
    """Examples with a label each, as their files have them; every tuple has one entry each.

    Attributes:
        records: as their files have them: the payload is the cell of a table, which the domain has
            not looked at yet, and the number that of the row. Of records that are encoded nothing
            is left of it.
        labels: cells of the label column, stripped, never empty.
        parts: ``train``, ``valid`` or ``test`` for each, where the files say so.
        files: the files that were read.
        skipped: rows passed over because they could not be used.
        notes: what a user should know of how they were read.
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...] | None
    files: tuple[Path, ...]
    skipped: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the records."""
        return tuple(record.id for record in self.records)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The place of each record in its file, from 0, [records]."""
        return np.array([record.number - 1 for record in self.records], np.int64)

    def where(self, position: int) -> str:
        """The place of one example, as error messages name it."""
        record = self.records[position]
        return f"{record.source}, row {record.number} ({record.id})"

    def bare(self) -> "Labelled":
        """The same without the payloads of its records."""
        return replace(self, records=tuple(replace(one, payload="") for one in self.records))

    def take(self, positions: Sequence[int], skipped: int = 0) -> "Labelled":
        """The examples at ``positions``; ``skipped`` more were passed over."""

        def pick(column: Sequence[_Cell]) -> tuple[_Cell, ...]:
            return tuple(column[position] for position in positions)

        return replace(
            self,
            records=pick(self.records),
            labels=pick(self.labels),
            parts=None if self.parts is None else pick(self.parts),
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


@dataclass(frozen=True)
class Tags:
    """A label for each unit of each record, as numbers.

    Attributes:
        values: class numbers of each record, -1 for a unit of which nothing is known, [units]
            int32 each.
        classes: their names by number.
    """

    values: tuple[npt.NDArray[np.int32], ...]
    classes: tuple[str, ...]

    def known(self, rows: Iterable[int] | npt.NDArray[np.int64]) -> int:
        """Units of some records whose label is known."""
        return int(sum((self.values[row] >= 0).sum() for row in rows))

    def counts(self, rows: Iterable[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many known units of some records are of each class, [classes]."""
        total = np.zeros(len(self.classes), np.int64)
        for row in rows:
            values = self.values[row]
            total += np.bincount(values[values >= 0], minlength=len(total))
        return total
