"""Is a stretch of DNA a promoter? Two classes, one of them positive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import classes
from sslkit.files import labelled as labelled_files
from sslkit.types import Labelled, Targets

VERSION = 1
DOMAIN = "genome"
SUPERVISION = "record"
KIND = "binary"
METRICS = ("auc", "mcc", "average_precision", "accuracy", "f1")

#: Labels that say "it is not one", in lower case; ``non-x`` and ``not x`` do so as well.
_NEGATIVE = {
    "0", "0.0", "-1", "-", "false", "f", "no", "n", "neg", "negative", "none", "non", "control",
    "background", "decoy", "random", "other", "inactive", "nonpromoter", "notpromoter",
}  # fmt: skip
_NEGATIVE_STARTS = ("non-", "non_", "non ", "not-", "not_", "not ", "no-", "no_", "no ")


@dataclass(frozen=True)
class Settings(labelled_files.Columns):
    """Where the labels are, and which of them is the positive one."""

    positive: str | None = field(
        default=None,
        metadata={"help": "the positive label; none: 1 of 0 and 1, promoter of non-promoter, ..."},
    )


class Task:
    """Promoters; implements ``types.Task``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Labelled sequences of CSV, TSV or Parquet files."""
        return labelled_files.read(files, self.settings, on_error)

    def encode_labels(self, labelled: Labelled) -> Targets:
        """1 for the positive label, 0 for the other.

        Raises:
            DataError: one label only, or more than two.
            UsageError: it is not clear which label is the positive one.
        """
        spelled = classes.spellings(labelled.labels)
        labels = [spelled[label] for label in labelled.labels]
        names = list(dict.fromkeys(labels))
        if len(names) > 2:
            raise DataError(
                f"there are {len(names)} labels, and this task knows two",
                where=labelled.where(labels.index(names[2])),
                why=f"the first three are {', '.join(map(repr, names[:3]))}",
                do="mend the file, or use --task classification",
            )
        if len(names) < 2:
            raise DataError(
                f"all {len(labelled)} records have the label {names[0]!r}",
                where=", ".join(map(str, labelled.files)),
                why="with one class there is nothing to tell apart",
                do="add records of the other class",
            )
        positive = self._positive(names)
        (negative,) = (name for name in names if name != positive)
        values = np.array([name == positive for name in labels], np.int64)
        return Targets(values, (negative, positive))

    def _positive(self, names: Sequence[str]) -> str:
        named = self.settings.positive
        if named is not None and named not in names:
            # The same number or truth value in another spelling.
            spelled = classes.spellings([named, *names])
            named = next((name for name in names if spelled[name] == spelled[named]), named)
        if named is not None and named not in names:
            raise UsageError(
                f"no record has the positive label {named!r}", why=f"there is: {', '.join(names)}"
            )
        likely = [name for name in names if not _denies(name)]
        if named is None and len(likely) != 1:
            raise UsageError(
                f"which label is the positive one, {' or '.join(map(repr, names))}?",
                do=f"say so: --set positive={names[0]}",
            )
        return likely[0] if named is None else named


def _denies(name: str) -> bool:
    return name.lower() in _NEGATIVE or name.lower().startswith(_NEGATIVE_STARTS)
