"""The options of stages that read labelled records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sslkit.options import Common


class HasColumns(Protocol):
    """Options that name columns."""

    @property
    def sequence_column(self) -> str | None:
        """Of sequences."""
        ...

    @property
    def label_column(self) -> str | None:
        """Of labels."""
        ...

    @property
    def id_column(self) -> str | None:
        """Of ids."""
        ...


def column_pairs(task: str, options: HasColumns) -> list[str]:
    """The named columns as settings of a task, as ``--set`` gives them."""
    named = {
        "sequence_column": options.sequence_column,
        "label_column": options.label_column,
        "id_column": options.id_column,
    }
    return [f"{task}.{name}={column}" for name, column in named.items() if column is not None]


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Common):
    """Which task, where its records are, and whether look-alikes stay together."""

    task: str
    labels: list[Path] | None
    valid: list[Path] | None
    test: list[Path] | None
    families: bool
    sequence_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None

    @property
    def pairs(self) -> tuple[str, ...]:
        """``--set`` pairs, those of the columns that have options of their own last."""
        return (*self.set, *column_pairs(self.task, self))

    @property
    def names_files(self) -> bool:
        """Whether any file was named."""
        return bool(self.labels or self.valid or self.test)

    @property
    def files(self) -> dict[str, Sequence[Path]]:
        """The files by part; under "" those that are to be divided, one of them by default."""
        return {
            "": self.labels or [Path("labels") / f"{self.task}.csv"],
            "valid": self.valid or [],
            "test": self.test or [],
        }
