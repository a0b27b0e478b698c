"""Records with a label for each of their units: read, checked and divided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.console import Console
from sslkit.contracts.domain import PerTokenTask, TokenDomain
from sslkit.data import examples as labels
from sslkit.data import splits
from sslkit.data.examples import Examples
from sslkit.errors import OnError
from sslkit.types import Tags, Targets

Rows = npt.NDArray[np.int64]
#: Of the records that a probe is fitted to: by them the penalty is chosen.
_HELD_OUT = 0.2


@dataclass(frozen=True)
class Tagged:
    """Labelled records that can be used.

    Attributes:
        examples: the records; as wholes they have no label, and all targets are 0.
        tags: the labels of their units.
    """

    examples: Examples
    tags: Tags

    def known(self, rows: Sequence[int] | Rows) -> int:
        """Units of some records whose label is known."""
        return int(sum((self.tags.values[row] >= 0).sum() for row in rows))

    def counts(self, rows: Sequence[int] | Rows) -> Rows:
        """How many known units of some records are of each class, [classes]."""
        total = np.zeros(len(self.tags.classes), np.int64)
        for row in rows:
            values = self.tags.values[row]
            total += np.bincount(values[values >= 0], minlength=len(total))
        return total


def read(
    module: ModuleType,
    settings: Any,
    files: Mapping[str, Sequence[Path]],
    domain: TokenDomain,
    on_error: OnError,
    console: Console,
    families: bool = True,
) -> Tagged:
    """Read labelled files; records whose labels do not fit stop the run, or are skipped.

    Args:
        files: by part of the split; under "" those that are to be divided.
        families: whether the domain is asked for families of look-alikes.

    Raises:
        DataError: a record that cannot be used, naming file and record.
    """
    task: PerTokenTask = module.Task(settings)
    given = task.read(files, on_error)
    for note in given.notes:
        console.warn(note)
    found = labels.usable(given, domain, on_error, task.problem, families=families)
    labelled, units = found.labelled, found.units
    tags = task.encode_labels(labelled)
    nothing = np.zeros(len(units))
    examples = Examples(
        labelled,
        units,
        Targets(nothing),
        nothing.astype(np.int64),
        found.groups,
        found.families,
        found.marks,
    )
    tagged = Tagged(examples, tags)
    counts = tagged.counts(range(len(units)))
    listed = [f"{name}: {count:,}" for name, count in zip(tags.classes, counts, strict=True)]
    console.say(
        f"read {', '.join(map(str, labelled.files))}: {len(units)} records, {labelled.skipped} "
        f"skipped; labels of {counts.sum():,} of {sum(map(len, units)):,} units are known; "
        + ", ".join(listed[:8])
        + (" ..." if len(listed) > 8 else "")
    )
    return tagged


@dataclass(frozen=True)
class Drawn:
    """Units that a probe is fitted to.

    Attributes:
        units: the numbers of the units of each record, ascending, by its row; those by whose loss
            the penalty is chosen come last.
        learned: how many units stand before those.
    """

    units: Mapping[int, Rows]
    learned: int

    def __len__(self) -> int:
        return sum(map(len, self.units.values()))

    def starts(self) -> Iterator[tuple[int, int, Rows]]:
        """Of each record its row, the number of its first unit among all that were drawn, units."""
        at = 0
        for row, units in self.units.items():
            yield row, at, units
            at += len(units)


def draw(tagged: Tagged, train: Rows, most: int, seed: int) -> Drawn:
    """Known units of training records: whole records in an order of the seed, until there are most.

    The rest of a last record that is not needed is left out at random, so that no record is
    favoured for its length and no more than ``most`` units are drawn. A fifth of the records is put
    behind the others to choose by; equal records stay together.
    """
    generator = np.random.default_rng(int(rng.key(seed, "units")))
    units: dict[int, Rows] = {}
    left = most
    for row in generator.permutation(train).tolist():
        if not left:
            break
        known = np.flatnonzero(tagged.tags.values[row] >= 0)
        if len(known):
            units[row] = np.sort(generator.permutation(known)[:left])
            left -= len(units[row])
    rows = np.array(list(units), np.int64)
    groups = tagged.examples.together[rows]
    if len(np.unique(groups)) < 2:
        return Drawn(units, sum(map(len, units.values())))
    behind = splits.divide(np.zeros(len(rows), np.int64), groups, [_HELD_OUT], seed) == 1
    order = [*rows[~behind].tolist(), *rows[behind].tolist()]
    learned = sum(len(units[row]) for row in rows[~behind].tolist())
    return Drawn({row: units[row] for row in order}, learned)
