"""Where things are in a table: the columns that were named, or those of the usual names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslkit.errors import DataError
from sslkit.files import molecules

#: Names, in lower case, under which the sequence is looked for, first match first.
SEQUENCE_NAMES = (
    "sequence", "seq", "sequences", "dna", "rna", "dna_sequence", "nucleotide_sequence", "text",
    *molecules.COLUMNS,
)  # fmt: skip
#: Names, in lower case, under which the id is looked for.
ID_NAMES = ("id", "name", "seq_id", "sequence_id", "identifier", "accession")
#: Names, in lower case, under which labels and parts of a split are looked for.
LABEL_NAMES = ("label", "labels", "class", "target", "y", "value", "score", "fitness")
SPLIT_NAMES = ("split", "set", "part", "partition", "subset")

_OPTIONS = {"sequence": "--sequence-column", "label": "--label-column", "id": "--id-column"}


@dataclass(frozen=True)
class Columns:
    """Which columns are meant; None looks for the usual names.

    Attributes:
        sequence, label, id, split: as the user named them.
        id_names: names, in lower case, under which the id is looked for; none numbers the rows.
        needs_label: whether a table without a column of labels is refused.
    """

    sequence: str | None = None
    label: str | None = None
    id: str | None = None
    split: str | None = None
    id_names: tuple[str, ...] = ID_NAMES
    needs_label: bool = False

    @property
    def are_named(self) -> bool:
        """Whether the user named any, so that what is read is a table."""
        return any(name is not None for name in (self.sequence, self.label, self.id, self.split))


#: Where nobody named anything.
USUAL = Columns()


@dataclass(frozen=True)
class Layout:
    """The places of the columns of one table; None where there is none.

    Attributes:
        guessed_id: whether nobody named the column of ids.
    """

    sequence: int
    label: int | None
    id: int | None
    split: int | None
    guessed_id: bool


def layout(
    path: Path, header: Sequence[str], columns: Columns, nested: Mapping[str, str] | None = None
) -> Layout:
    """Find the columns of a table.

    Args:
        nested: columns beside those of ``header`` that hold no text, and what they hold.

    Raises:
        DataError: what was named, or is needed, is not there; says all of it at once.
    """
    finder = _Finder(header, nested or {})
    sequence = finder.named("sequence", columns.sequence)
    label = finder.named("label", columns.label)
    name = finder.named("id", columns.id)
    split = finder.named("split", columns.split)
    if columns.sequence is None:
        sequence = finder.guessed("sequence", SEQUENCE_NAMES, needed=True)
    if columns.label is None:
        label = finder.guessed("label", LABEL_NAMES, needed=columns.needs_label)
    if columns.id is None:
        name = finder.guessed("id", columns.id_names)
    if columns.split is None:
        split = finder.guessed("split", SPLIT_NAMES)
    if finder.problems:
        raise DataError(
            f"a table lacks {' and '.join(finder.problems)}",
            where=str(path),
            why=f"its columns are {', '.join(header) or 'without names'}{finder.holds()}",
            do=f"name what is there with {' and '.join(finder.options)}",
        )
    assert sequence is not None
    return Layout(sequence, label, name, split, columns.id is None)


class _Finder:
    """Places of columns, and what was looked for in vain."""

    def __init__(self, header: Sequence[str], nested: Mapping[str, str]) -> None:
        self._header, self._nested = header, nested
        self._lowered = [name.lower() for name in header]
        self._taken: set[int] = set()
        self._refused: list[str] = []
        self.problems: list[str] = []
        self.options: list[str] = []

    def named(self, what: str, name: str | None) -> int | None:
        """The place of a column that the user named; a name that is not there is a problem."""
        if name is None:
            return None
        if name in self._header:
            self._taken.add(place := self._header.index(name))
            return place
        self._lacks(what, f"the column {name!r}", [name])
        return None

    def guessed(self, what: str, names: Sequence[str], *, needed: bool = False) -> int | None:
        """The place of the first of the usual names, of a column that is not meant otherwise."""
        usual = [self._lowered.index(name) for name in names if name in self._lowered]
        place = next((place for place in usual if place not in self._taken), None)
        if place is None and needed:
            nested = [name for name in self._nested if name.lower() in names]
            self._lacks(what, f"a {what} column", nested)
        return place

    def holds(self) -> str:
        """What columns hold that were meant and are no text."""
        return "".join(f"; {name} holds {self._nested[name]}, no text" for name in self._refused)

    def _lacks(self, what: str, problem: str, names: Sequence[str]) -> None:
        self.problems.append(problem)
        self.options.append(_OPTIONS.get(what, f"--set {what}_column=NAME"))
        self._refused += [name for name in names if name in self._nested]
