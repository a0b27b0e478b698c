"""Any number of classes, one of them for each record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslkit.errors import DataError, OnError
from sslkit.files import classes
from sslkit.files import labelled as labelled_files
from sslkit.types import Labelled, Targets

VERSION = 1
DOMAIN = ""
SUPERVISION = "record"
KIND = "multiclass"
METRICS = ("macro_f1", "accuracy", "mcc", "auc")


@dataclass(frozen=True)
class Settings(labelled_files.Columns):
    """Where the labels are."""


class Task:
    """Classification; implements ``types.Task``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Labelled sequences of CSV, TSV or Parquet files."""
        return labelled_files.read(files, self.settings, on_error)

    def encode_labels(self, labelled: Labelled) -> Targets:
        """Class numbers, in the order of the classes' names (as numbers, where all are).

        Raises:
            DataError: one class only, or a class of its own for every record.
        """
        spelled = classes.spellings(labelled.labels)
        names = sorted(set(spelled.values()), key=_order)
        where = ", ".join(map(str, labelled.files))
        if len(names) < 2:
            raise DataError(
                f"all {len(labelled)} records have the label {names[0]!r}",
                where=where,
                why="with one class there is nothing to tell apart",
            )
        if len(names) == len(labelled):
            raise DataError(
                f"each of the {len(labelled)} records has a class of its own",
                where=where,
                do="name the label column with --label-column, or use --task regression",
            )
        number = {name: position for position, name in enumerate(names)}
        return Targets(
            np.array([number[spelled[name]] for name in labelled.labels], np.int64), tuple(names)
        )


def _order(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
