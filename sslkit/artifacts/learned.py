"""Labelled records that a checkpoint, or one that it comes from, was fine-tuned on.

A record is known by a hash of what its domain calls equal (``signature``), so that it is known in
whichever file it stands, and however it is written there.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Marks = npt.NDArray[np.int64]
_BYTES = 8


@dataclass(frozen=True)
class Learned:
    """What was learned from with labels.

    Attributes:
        records: marks of records, ascending, each once, [records].
        files: SHA-256 of labelled files of which only this much is known.
    """

    records: Marks = field(default_factory=lambda: np.empty(0, np.int64))
    files: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(len(self.records) or self.files)

    def holds(self, marks: Marks) -> npt.NDArray[np.bool_]:
        """Whether each of some records was learned from, [records]."""
        if not len(self.records):
            return np.zeros(len(marks), np.bool_)
        nearest = np.searchsorted(self.records[:-1], marks)
        same: npt.NDArray[np.bool_] = self.records[nearest] == marks
        return same

    def joined(self, other: "Learned") -> "Learned":
        """What either of two learned from."""
        return Learned(np.union1d(self.records, other.records), self.files | other.files)


def mark(signature: bytes) -> int:
    """The mark of a record of this signature."""
    digest = hashlib.blake2b(signature, digest_size=_BYTES).digest()
    return int.from_bytes(digest, "little", signed=True)


def of_records(marks: Iterable[int] | Sequence[int]) -> Learned:
    """Of records of these marks."""
    return Learned(np.unique(np.array(list(marks), np.int64)))
