"""What tasks have in common whose labels speak of each unit of a record, residue or base.

A label is a text with a letter for each unit, or a name for each with a separator between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import labelled as labelled_files
from sslkit.files import tagged
from sslkit.types import Labelled, Tags

SUPERVISION = "token"
KIND = "per-token"
METRICS = ("accuracy", "macro_f1", "mcc")
UNKNOWN = -1
_MOST_CLASSES = 1000
#: A separator that cannot be written on a command line as it is.
_BLANK = "blank"


@dataclass(frozen=True)
class Settings(labelled_files.Columns):
    """Where the labels are, how they are read, and what a probe of them does."""

    unknown: str = field(
        default="?",
        metadata={"help": "letters that say that nothing is known: not trained on, not judged"},
    )
    separator: str | None = field(
        default=None,
        metadata={
            "help": "what stands between names of labels, blank for white space; none: every "
            "letter is a label"
        },
    )
    sequences: str | None = field(
        default=None,
        metadata={"help": "FASTA of the sequences, by id, where --labels are FASTA of the labels"},
    )
    mask: str | None = field(
        default=None,
        metadata={"help": "FASTA of 1 where a label counts and 0 where not, beside sequences"},
    )
    around: int = field(
        default=15,
        metadata={"help": "units that the baseline of neighbours sees, the middle one included"},
    )
    most: int = field(
        default=100_000,
        metadata={
            "help": "most units that a probe is fitted to, drawn by the seed; each takes 4 bytes a "
            "feature"
        },
    )

    def __post_init__(self) -> None:
        if not self.unknown:
            raise ValueError("unknown is at least one letter")
        if self.separator == "":
            raise ValueError("separator is a letter or more, or none")
        if self.separator is not None and self.separator in self.unknown:
            raise ValueError(f"the separator {self.separator!r} cannot say that nothing is known")
        if self.around < 1 or self.around % 2 == 0:
            raise ValueError(f"around is odd and above 0, not {self.around}")
        if self.most < 1:
            raise ValueError(f"most is at least 1, not {self.most}")


class PerToken:
    """Implements ``contracts.domain.PerTokenTask``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Tables of sequences and labels, or FASTA of labels with one of sequences.

        Raises:
            UsageError: FASTA without its sequences, or together with tables.
        """
        settings = self.settings
        given = [path for paths in files.values() for path in paths]
        fasta = [path for path in given if tagged.is_fasta(path)]
        if not fasta:
            for name in ("sequences", "mask"):
                if getattr(settings, name) is not None:
                    raise UsageError(
                        f"--set {name} is for labels in FASTA",
                        why=f"{given[0]} is none",
                        do="leave it out: a table has columns of sequence and label",
                    )
            return labelled_files.read(files, settings, on_error)
        if len(fasta) < len(given):
            other = next(path for path in given if path not in fasta)
            raise UsageError(f"{fasta[0]} is FASTA and {other} is none", do="give one kind")
        if settings.sequences is None:
            raise UsageError(
                f"{fasta[0]} holds labels, and no sequences",
                do="name their file: --set sequences=FILE.fasta, and perhaps --set mask=FILE.fasta",
            )
        if settings.wanted().are_named:
            raise UsageError("labels in FASTA have no columns", do="name none")
        if settings.separator is not None:
            raise UsageError("labels in FASTA are letters", do="leave --set separator out")
        mask = None if settings.mask is None else Path(settings.mask)
        beside = tagged.Beside(Path(settings.sequences), mask, settings.unknown[0])
        return tagged.read(files, beside, on_error)

    def name(self, written: str) -> str | None:
        """The class that a letter or name of a label stands for; None for one that is refused."""
        return written

    def problem(self, label: str, units: int) -> str:
        """Why a label cannot be that of a record of so many units; "" where it can."""
        written = self._written(label)
        if len(written) != units:
            what = "letters" if self.settings.separator is None else "names"
            return f"its label has {len(written)} {what}, and its sequence {units} units"
        for at, one in enumerate(written, 1):
            if not self._is_unknown(one) and self.name(one) is None:
                return f"its label has {one!r} at place {at}, which is none of this task"
        return ""

    def encode_labels(self, labelled: Labelled) -> Tags:
        """Class numbers by the order of the classes' names.

        Raises:
            DataError: fewer than two classes, or more than a model could tell apart.
        """
        texts = [self._written(label) for label in labelled.labels]
        means = {one: self._class(one) for text in texts for one in set(text)}
        names = sorted({name for name in means.values() if name})
        if len(names) < 2:
            raise DataError(
                f"all known labels of {len(labelled)} records are {names[0]!r}"
                if names
                else f"no label of {len(labelled)} records is known",
                where=", ".join(map(str, labelled.files)),
                why="with one class there is nothing to tell apart",
            )
        if len(names) > _MOST_CLASSES:
            raise DataError(
                f"there are {len(names):,} different labels",
                where=", ".join(map(str, labelled.files)),
                why=f"the first are {', '.join(map(repr, names[:3]))}",
                do="look whether --set separator and --label-column are right",
            )
        number = {"": UNKNOWN} | {name: at for at, name in enumerate(names)}
        code = {one: number[name] for one, name in means.items()}
        values = tuple(np.array([code[one] for one in text], np.int32) for text in texts)
        return Tags(values, tuple(names))

    def written(self, names: Sequence[str]) -> str:
        """Names of classes, "" where nothing is known, as the text of a label."""
        between = self.settings.separator or ""
        return (" " if between == _BLANK else between).join(
            name or self.settings.unknown[0] for name in names
        )

    def _written(self, label: str) -> Sequence[str]:
        if self.settings.separator is None:
            # As in sequences, blanks and line ends are no letters.
            return "".join(label.split())
        if self.settings.separator == _BLANK:
            return label.split()
        return [one.strip() for one in label.split(self.settings.separator)]

    def _is_unknown(self, one: str) -> bool:
        return not one or (len(one) == 1 and one in self.settings.unknown)

    def _class(self, one: str) -> str:
        return "" if self._is_unknown(one) else self.name(one) or ""
