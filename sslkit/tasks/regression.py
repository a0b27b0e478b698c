"""A number for each record: strength, fitness, solubility."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslkit.errors import DataError, OnError
from sslkit.files import labelled as labelled_files
from sslkit.types import Labelled, Targets

VERSION = 1
DOMAIN = ""
SUPERVISION = "record"
KIND = "regression"
METRICS = ("r2", "spearman", "pearson", "rmse", "mae")


@dataclass(frozen=True)
class Settings(labelled_files.Columns):
    """Where the labels are."""


class Task:
    """Regression; implements ``types.Task``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Labelled sequences of CSV, TSV or Parquet files."""
        return labelled_files.read(files, self.settings, on_error)

    def encode_labels(self, labelled: Labelled) -> Targets:
        """The labels as float64.

        Raises:
            DataError: a label that is not a finite number, or the same one everywhere.
        """
        values = np.array([_number(labelled, row) for row in range(len(labelled))], np.float64)
        if values.min() == values.max():
            raise DataError(
                f"all {len(labelled)} records have the label {labelled.labels[0]}",
                where=", ".join(map(str, labelled.files)),
                why="where nothing varies there is nothing to predict",
            )
        return Targets(values)


def _number(labelled: Labelled, row: int) -> float:
    try:
        value = float(labelled.labels[row])
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise DataError(
        f"the label {labelled.labels[row]!r} is not a number",
        where=labelled.where(row),
        do="mend the row, or name another column with --label-column",
    )
