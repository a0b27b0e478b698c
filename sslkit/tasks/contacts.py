"""Which residues of a protein touch? Families with an alignment and a structure each.

A table of labels has a row for each family: ``alignment`` and ``structure`` are files, named as
seen from the table, ``chain`` is the structure's where it has several, and ``id`` the family's
name; ``split``, where it is there, says what the regression over heads learns from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslkit.errors import DataError, OnError
from sslkit.files import labelled, table
from sslkit.files.columns import Columns

VERSION = 1
DOMAIN = "protein"
SUPERVISION = "pair"
KIND = "contacts"
METRICS = ("long_range_P@L", "long_range_P@L/2", "long_range_P@L/5")

_ALIGNMENT, _STRUCTURE, _CHAIN = "alignment", "structure", "chain"


@dataclass(frozen=True)
class Settings:
    """How attention and alignments are read."""

    strength: float = field(
        default=0.15,
        metadata={"help": "of the data against the L1 penalty; smaller leaves fewer heads"},
    )
    rows: int = field(
        default=1,
        metadata={"help": "sequences of a family whose attention maps are averaged"},
    )
    depth: int = field(
        default=4000,
        metadata={"help": "most sequences of a family that its own models are fitted to"},
    )
    potts: bool = field(
        default=True, metadata={"help": "fit a Potts model to each family, in minutes"}
    )

    def __post_init__(self) -> None:
        if self.strength <= 0:
            raise ValueError(f"strength is above 0, not {self.strength}")
        for name in ("rows", "depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Entry:
    """A row of a table of families.

    Attributes:
        part: of the split, "" where it is not settled.
        where: the row, as errors name it.
    """

    name: str
    alignment: Path
    structure: Path
    chain: str | None
    part: str
    where: str


class Task:
    """Contacts; what its labels are stands in files of their own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> list[Entry]:
        """The families of tables by part, in their order; those under "" have the split column's.

        Raises:
            DataError: a column or a cell that is missing; a family that is named twice.
        """
        found: dict[str, Entry] = {}
        for part, paths in files.items():
            for path in paths:
                for entry in _entries(path, part, on_error):
                    if entry.name in found:
                        raise DataError(
                            f"the family {entry.name!r} stands twice",
                            where=entry.where,
                            why=f"it stands in {found[entry.name].where}, too",
                            do="give every family an id of its own",
                        )
                    found[entry.name] = entry
        return list(found.values())


def _entries(path: Path, part: str, on_error: OnError) -> Iterator[Entry]:
    header = table.header(path)
    if missing := [name for name in (_ALIGNMENT, _STRUCTURE) if name not in header]:
        raise DataError(
            f"a table of families lacks {' and '.join(map(repr, missing))}",
            where=str(path),
            why=f"its columns are {', '.join(header)}",
            do="name the files of each family in columns alignment and structure",
        )
    for row in table.read(path, Columns(_ALIGNMENT), on_error):
        where = f"{path}, row {row.number} ({row.id})"
        cells = {name: cell.strip() for name, cell in row.values.items()}
        empty = [name for name in (_ALIGNMENT, _STRUCTURE) if not cells.get(name)]
        said = cells.get("split", "").lower()
        if empty or (said and said not in labelled.PART_NAMES):
            if on_error == "skip":
                continue
            raise DataError(
                "a family cannot be used",
                where=where,
                why=f"its cell of column {empty[0]!r} is empty"
                if empty
                else f"{said!r} is no part of a split",
                do="mend the row, or pass such rows over with --on-error skip",
            )
        yield Entry(
            row.id,
            path.parent / cells[_ALIGNMENT],
            path.parent / cells[_STRUCTURE],
            cells.get(_CHAIN) or None,
            part or labelled.PART_NAMES.get(said, ""),
            where,
        )
