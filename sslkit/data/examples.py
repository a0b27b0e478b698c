"""Labelled records, checked, encoded and split: what finetune and probe begin with."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sslkit import catalog
from sslkit.artifacts import learned
from sslkit.console import Console
from sslkit.contracts.domain import Families, RecordDomain, counts_tokens
from sslkit.data import splits
from sslkit.data.splits import Split
from sslkit.errors import DataError, OnError, UsageError
from sslkit.types import Array, Labelled, Record

#: What labels are attached to, as tasks name it.
RECORD, TOKEN, PAIR = "record", "token", "pair"
#: Of each: what it is about, and what a probe does with it.
_ABOUT = {
    RECORD: ("whole records", "judges embeddings"),
    TOKEN: ("each of their letters", "judges frozen features of tokens"),
    PAIR: ("the pairs of their residues", "reads them from attention maps"),
}
#: The kind of the tasks whose labels are of each unit.
PER_TOKEN = "per-token"
#: Of the records that a stage divides itself.
VALID_SHARE, TEST_SHARE = 0.1, 0.2
#: Records that are looked at behind a bad one, for one that can be used.
_AHEAD = 1000
#: The parts that fine-tuning makes.
SHARES = {"valid": VALID_SHARE, "test": TEST_SHARE}

Target = TypeVar("Target")
Read_co = TypeVar("Read_co", covariant=True)


class Task(Protocol[Read_co]):
    """A task that reads labels and gives them as numbers; see ``contracts.domain.Task``."""

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Labelled records of files by part."""
        ...

    def encode_labels(self, labelled: Labelled) -> Read_co:
        """Labels as numbers."""
        ...


@dataclass(frozen=True)
class Examples(Generic[Target]):
    """Labelled records that can be used.

    Attributes:
        units: each record as its domain encodes it.
        targets: the labels as numbers, of records or of their parts.
        strata, groups: class (or quantile) and duplicate group of each, [records] int64.
        families: of look-alikes, [records] int64; None where the domain tells none.
        marks: what the records are known by to checkpoints, [records] int64; None where there is
            no more than vectors of them.
        learned: whether the checkpoint, or one that it comes from, was fine-tuned on each,
            [records]; None where it was not fine-tuned.
    """

    labelled: Labelled
    units: tuple[Array, ...]
    targets: Target
    strata: splits.IntArray
    groups: splits.IntArray
    families: splits.IntArray | None = None
    marks: splits.IntArray | None = None
    learned: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labelled)

    @property
    def files(self) -> str:
        """The files that were read, as messages name them."""
        return ", ".join(map(str, self.labelled.files))

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
    def family_note(self) -> str:
        """How many families there are, for people; empty where the domain tells none."""
        if self.families is None:
            return ""
        count = len(np.unique(self.families))
        return f"{count} families of look-alikes, each on one side of what is made here"

    @property
    def summary(self) -> str:
        """What was read, for people."""
        return f"read {self.files}: {len(self)} records, {self.labelled.skipped} skipped"


class _Identity(NamedTuple):
    """What a record is told from others by: digests of its signature and family, and its mark."""

    signature: bytes
    family: bytes
    mark: int


_NOBODY = _Identity(b"", b"", 0)


def supervision_of(task: ModuleType) -> str:
    """What the labels of a task are attached to."""
    return str(getattr(task, "SUPERVISION", RECORD))


def task_module(name: str, domain: str, taken: Collection[str] = (RECORD,)) -> ModuleType:
    """The task of that name.

    Args:
        taken: what labels may be attached to where they are taken.

    Raises:
        UsageError: there is none, or it is not about this domain, or has other labels.
    """
    module = catalog.load("task", name)
    supervision = supervision_of(module)
    if supervision not in taken:
        what, how = _ABOUT[supervision]
        wanted = "records" if RECORD in taken else _ABOUT[next(iter(taken))][0]
        raise UsageError(
            f"task {name} has no labels of {wanted}",
            why=f"it is about {what}",
            do=f"sslkit probe --task {name} --checkpoint FOLDER {how}",
        )
    if module.DOMAIN not in {"", domain}:
        raise UsageError(
            f"task {name} is about {module.DOMAIN}", why=f"the checkpoint is of domain {domain}"
        )
    return module


def read(
    task: Task[Target],
    files: Mapping[str, Sequence[Path]],
    domain: RecordDomain,
    on_error: OnError,
    console: Console,
    strata: Callable[[Target], splits.IntArray],
    problem: Callable[[str, int], str] = lambda label, units: "",
    *,
    families: bool,
) -> Examples[Target]:
    """Read labelled files; records that cannot be used stop the run, or are skipped.

    Args:
        files: by part of the split; under "" those that are to be divided.
        strata: what is spread evenly over the parts of a split, [records].
        problem: why a label does not fit a record of so many units, "" where it does.
        families: whether the domain is asked for families of look-alikes.

    Raises:
        DataError: one that cannot be used, where that stops the run; or none can.
    """
    labelled = task.read(files, on_error)
    for note in labelled.notes:
        console.warn(note)
    relatives = domain if families and isinstance(domain, Families) else None
    # A cell is let go when its record is encoded, and of what tells records apart a digest stays,
    # so that no sequence is held more than once.
    cells, labelled = list(labelled.records), labelled.bare()
    usable, units, identities = _usable(labelled, cells, domain, relatives, on_error, problem)
    signatures, kin, marks = zip(*identities, strict=True)
    groups = splits.group_numbers(signatures)
    targets = task.encode_labels(usable)
    return Examples(
        usable,
        tuple(units),
        targets,
        strata(targets),
        groups,
        None if relatives is None else splits.family_numbers(kin, groups),
        np.array(marks, np.int64),
    )


def _usable(
    labelled: Labelled,
    cells: list[Record],
    domain: RecordDomain,
    relatives: Families | None,
    on_error: OnError,
    problem: Callable[[str, int], str],
) -> tuple[Labelled, list[Array], list[_Identity]]:
    """The records that can be used, without payloads; their units and what tells them apart.

    Args:
        labelled: without payloads.
        cells: the records as their files have them, each of which is replaced when it is encoded.

    Raises:
        DataError: as ``read``.
    """
    units, identities = list[Array](), list[_Identity]()
    good: list[int] = []
    for position, bare in enumerate(labelled.records):
        record = domain.record(bare.id, cells[position].payload, bare.source, bare.number)
        cells[position] = bare
        encoded, identity = np.empty(0), _NOBODY
        if not record.error:
            # Before its units are there: a signature may be as long as they are.
            identity = _identity(domain, relatives, record)
            encoded = domain.encode(record)
        why = record.error or _too_short(domain, encoded)
        why = why or problem(labelled.labels[position], len(encoded))
        if why and on_error == "stop":
            raise DataError(
                "a record cannot be used",
                where=labelled.where(position),
                why=why,
                do=_advice(cells[position + 1 :][:_AHEAD], domain, has_good=bool(good)),
            )
        if not why:
            good.append(position)
            units.append(encoded)
            identities.append(identity)
        del record, encoded
    if not good:
        raise DataError("no record can be used", where=", ".join(map(str, labelled.files)))
    return labelled.take(good, skipped=len(labelled) - len(good)), units, identities


def _identity(domain: RecordDomain, relatives: Families | None, record: Record) -> _Identity:
    signature = domain.signature(record)
    family = b"" if relatives is None else relatives.family(record)
    return _Identity(_digest(signature), _digest(family), learned.mark(signature))


def _digest(text: bytes) -> bytes:
    """What stands for a signature, or a family, that may be as long as its record."""
    return hashlib.blake2b(text, digest_size=16).digest()


def _advice(ahead: Sequence[Record], domain: RecordDomain, *, has_good: bool) -> str:
    """What to do about a bad record: passing it over helps where others are good.

    Args:
        ahead: the next ones, as their files have them.
        has_good: whether one before was good.
    """
    others = (domain.record("", one.payload, one.source, 1) for one in ahead)
    if has_good or any(not other.error for other in others):
        return "mend the row, or pass such rows over with --on-error skip"
    return "look whether it is the right table, or name its column with --sequence-column"


def _too_short(domain: RecordDomain, units: Array) -> str:
    if not counts_tokens(domain) or len(units) >= domain.units(1):
        return ""
    return f"it is {len(units)} long, and one token takes {domain.units(1)}"


def divide(
    examples: Examples[Target], shares: Mapping[str, float], seed: int, console: Console
) -> Split:
    """The parts of the split, given or made; says how duplicates were treated."""
    split = splits.split(
        *(examples.strata, examples.groups, shares, seed, examples.labelled.parts),
        families=examples.families,
        learned=examples.learned,
    )
    sizes = ", ".join(f"{name} {len(split.rows(name))}" for name in splits.PARTS)
    made = f"made {' and '.join(split.made)}" if split.made else "as given"
    console.say(
        f"split ({made}): {sizes}; {split.together} records have duplicates, "
        "as the domain tells them, and stay on one side"
        + "".join(f"; {n} dropped from {part}" for part, n in split.dropped.items())
        + (f"; {examples.family_note}" if examples.family_note else "")
    )
    return split
