"""Labelled records, checked, encoded and split: what finetune and probe begin with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit import catalog
from sslkit.artifacts import learned
from sslkit.console import Console
from sslkit.contracts.domain import Families, TokenDomain
from sslkit.data import splits
from sslkit.data.labelled import balanced
from sslkit.data.splits import Split
from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import classes
from sslkit.types import Array, Labelled, Record, Targets

#: Kinds of the tasks that are not about whole records: about the pairs of a record's residues,
#: and about each of its units.
PAIRS, PER_TOKEN = "contacts", "per-token"
_PARTS_OF_RECORDS = {
    PAIRS: ("the pairs of their residues", "reads them from attention maps"),
    PER_TOKEN: ("each of their letters", "judges frozen features of tokens"),
}
#: How the classes of a task may be weighed.
WEIGHTS = ("none", "balanced")
#: Of the records that a stage divides itself.
VALID_SHARE, TEST_SHARE = 0.1, 0.2
#: Records that are looked at behind a bad one, for one that can be used.
_AHEAD = 1000
#: The parts that fine-tuning makes.
SHARES = {"valid": VALID_SHARE, "test": TEST_SHARE}


@dataclass(frozen=True)
class Examples:
    """Labelled records that can be used.

    Attributes:
        units: each record as its domain encodes it.
        strata, groups: class (or quantile) and duplicate group of each, [records] int64.
        families: of look-alikes, [records] int64; None where the domain tells none.
        marks: what the records are known by to checkpoints, [records] int64; None where there is
            no more than vectors of them.
        learned: whether the checkpoint, or one that it comes from, was fine-tuned on each,
            [records]; None where it was not fine-tuned.
    """

    labelled: Labelled
    units: tuple[Array, ...]
    targets: Targets
    strata: splits.IntArray
    groups: splits.IntArray
    families: splits.IntArray | None = None
    marks: splits.IntArray | None = None
    learned: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.units)

    @property
    def together(self) -> splits.IntArray:
        """What stays on one side of a split that is made, [records] int64."""
        return self.groups if self.families is None else self.families

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Whether each record can be judged on: none like it was learned from, [records]."""
        if self.learned is None:
            return np.ones(len(self.groups), np.bool_)
        return ~splits.bound(self.together, self.learned)

    @property
    def told(self) -> str:
        """How many families there are, for people; empty where the domain tells none."""
        if self.families is None:
            return ""
        count = len(np.unique(self.families))
        return f"{count} families of look-alikes, each on one side of what is made here"


def task_module(name: str, domain: str, kind: str = "") -> ModuleType:
    """The task of that name.

    Args:
        kind: ``PAIRS`` or ``PER_TOKEN`` where labels of that kind are taken, and no others.

    Raises:
        UsageError: there is none, or it is not about this domain, or not of this kind.
    """
    module = catalog.load("task", name)
    of_parts = module.KIND if module.KIND in _PARTS_OF_RECORDS else ""
    if of_parts != kind:
        what, how = _PARTS_OF_RECORDS.get(of_parts, ("whole records", "judges embeddings"))
        raise UsageError(
            f"task {name} has no labels of {_PARTS_OF_RECORDS[kind][0] if kind else 'records'}",
            why=f"it is about {what}",
            do=f"sslkit probe --task {name} --checkpoint FOLDER {how}",
        )
    if module.DOMAIN not in {"", domain}:
        raise UsageError(
            f"task {name} is about {module.DOMAIN}", why=f"the checkpoint is of domain {domain}"
        )
    return module


def read(
    module: ModuleType,
    settings: Any,
    files: Mapping[str, Sequence[Path]],
    domain: TokenDomain,
    on_error: OnError,
    console: Console,
    families: bool = True,
) -> Examples:
    """Read labelled files; records that the domain refuses stop the run, or are skipped.

    Args:
        files: by part of the split; under "" those that are to be divided.
        families: whether the domain is asked for families of look-alikes.
    """
    task = module.Task(settings)
    found = usable(task.read(files, on_error), domain, on_error, families=families)
    for note in found.labelled.notes:
        console.warn(note)
    targets: Targets = task.encode_labels(found.labelled)
    for one, other in classes.alike(targets.classes):
        console.warn(f"classes {one} and {other} differ in the case of letters only")
    strata = (
        targets.values.astype(np.int64)
        if targets.classes
        else splits.quantile_strata(targets.values)
    )
    console.say(
        f"read {', '.join(map(str, found.labelled.files))}: {len(found.units)} records, "
        f"{found.labelled.skipped} skipped{_classes(targets)}"
    )
    return Examples(
        found.labelled, found.units, targets, strata, found.groups, found.families, found.marks
    )


@dataclass(frozen=True)
class Usable:
    """Labelled records that can be used, before their labels are numbers; as ``Examples`` has them.

    Attributes:
        units: each record as its domain encodes it.
        groups, families: [records] int64; no families where the domain tells none.
        marks: what the records are known by to checkpoints, [records] int64.
    """

    labelled: Labelled
    units: tuple[Array, ...]
    groups: splits.IntArray
    families: splits.IntArray | None
    marks: splits.IntArray


def usable(
    labelled: Labelled,
    domain: TokenDomain,
    on_error: OnError,
    problem_of: Callable[[str, int], str] = lambda label, units: "",
    *,
    families: bool,
) -> Usable:
    """The records that can be used.

    Args:
        problem_of: why a label does not fit a record of so many units, "" where it does.
        families: whether the domain is asked for families of look-alikes.

    Raises:
        DataError: one that cannot be used, where that stops the run; or none can.
    """
    units: list[Array] = []
    signatures: list[bytes] = []
    kin: list[bytes] = []
    asked = domain if families and isinstance(domain, Families) else None
    good: list[int] = []
    for position, cell in enumerate(labelled.records):
        record = domain.record(cell.id, cell.payload, cell.source, cell.number)
        problem = record.error or _too_short(domain, record)
        encoded = domain.encode(record) if not problem else np.empty(0)
        problem = problem or problem_of(labelled.labels[position], len(encoded))
        if problem and on_error == "stop":
            raise DataError(
                "a record cannot be used",
                where=labelled.where(position),
                why=problem,
                do=_advice(labelled, domain, position, good),
            )
        if not problem:
            good.append(position)
            units.append(encoded)
            signatures.append(domain.signature(record))
            kin += [] if asked is None else [asked.family(record)]
    if not good:
        raise DataError("no record can be used", where=", ".join(map(str, labelled.files)))
    groups = splits.group_numbers(signatures)
    wider = None if asked is None else splits.family_numbers(kin, groups)
    kept = labelled.take(good, skipped=len(labelled) - len(good))
    marks = np.array([learned.mark(signature) for signature in signatures], np.int64)
    return Usable(kept, tuple(units), groups, wider, marks)


def _advice(labelled: Labelled, domain: TokenDomain, position: int, good: Sequence[int]) -> str:
    """What to do about a bad record: passing it over helps where others are good."""
    ahead = range(position + 1, min(position + _AHEAD, len(labelled)))
    cells = (labelled.records[other] for other in ahead)
    if good or any(not domain.record("", one.payload, one.source, 1).error for one in cells):
        return "mend the row, or pass such rows over with --on-error skip"
    return "look whether it is the right table, or name its column with --sequence-column"


def _too_short(domain: TokenDomain, record: Record) -> str:
    size = len(domain.encode(record))
    needed = domain.units(1)
    return "" if size >= needed else f"it is {size} long, and one token takes {needed}"


def _classes(targets: Targets) -> str:
    if not targets.classes:
        return ""
    counts = np.bincount(targets.values, minlength=len(targets.classes))
    listed = [f"{name}: {n}" for name, n in zip(targets.classes, counts, strict=True)]
    return "; " + ", ".join(listed[:8]) + (" ..." if len(listed) > 8 else "")


def divide(examples: Examples, shares: Mapping[str, float], seed: int, console: Console) -> Split:
    """The parts of the split, given or made; says how duplicates were treated.

    Warns where a class is missing from a part.
    """
    found = splits.split(
        *(examples.strata, examples.groups, shares, seed, examples.labelled.parts),
        families=examples.families,
        learned=examples.learned,
    )
    sizes = ", ".join(f"{name} {len(found.rows(name))}" for name in splits.PARTS)
    made = f"made {' and '.join(found.made)}" if found.made else "as given"
    console.say(
        f"split ({made}): {sizes}; {found.together} records have duplicates, "
        "as the domain tells them, and stay on one side"
        + "".join(f"; {n} dropped from {part}" for part, n in found.dropped.items())
        + (f"; {examples.told}" if examples.told else "")
    )
    for name in splits.PARTS if examples.targets.classes else ():
        rows = found.rows(name)
        held = set(examples.targets.values[rows].tolist())
        for number, label in enumerate(examples.targets.classes):
            if len(rows) and number not in held:
                console.warn(f"class {label} is missing from the {name} part")
    return found


def weights(how: str, examples: Examples, train: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The weight of every example in the loss.

    Args:
        how: ``none``, or ``balanced`` over the classes of the training part.

    Raises:
        UsageError: another word, or a task without classes.
    """
    if how not in WEIGHTS:
        raise UsageError(f"--class-weights is {' or '.join(WEIGHTS)}, not {how!r}")
    if how == "none":
        return np.ones(len(examples), np.float32)
    if not examples.targets.classes:
        raise UsageError("a task without classes has no class weights")
    return balanced(examples.targets.values, len(examples.targets.classes), train)
