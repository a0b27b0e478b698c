"""What inspect finds out about records as they pass: lengths, letters, repeats, what is wrong."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sslkit.data.repeats import Fingerprint, Repeated, Repeats, hashed
from sslkit.domains import protein
from sslkit.domains.biology import bases
from sslkit.files.alignment import GAPS

_SHOWN = 5
_BLOCK = 1 << 20
_CODES = bases.to_codes(bytes(range(256))).tobytes()
_COMPLEMENTS = bytes(bases.reverse_complement(np.arange(5))[::-1]) + bytes(range(5, 256))
#: Proteins have these letters of the four bases in less than a third of all places.
_NUCLEIC_SHARE = 0.5


@dataclass
class Refused:
    """What a stage would refuse: how often, and the first few places."""

    count: int = 0
    first: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, number: int, where: str, why: str) -> None:
        """One more, at a record of that number."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append((number, where, why))

    def join(self, other: "Refused") -> None:
        """Those of another reason too, in the order of records."""
        self.count += other.count
        self.first = sorted(self.first + other.first)[:_SHOWN]

    def describe(self) -> dict[str, Any]:
        """For JSON."""
        first = [{"where": where, "why": why} for _, where, why in self.first]
        return {"count": self.count, "first": first}


class Records:
    """Statistics of the records of one file, which come in pieces.

    Args:
        source: the file, for messages.
        complain: whether records are sequences, of which not every letter is taken.

    Memory is bounded: lengths are counted by value, of which there are fewer than the square root
    of twice the letters; repeats are found by hashes (see ``data.repeats``).
    """

    def __init__(self, source: str, *, complain: bool = True) -> None:
        self.source = source
        self.count = self.empty = 0
        self.lengths: Counter[int] = Counter()
        self.refused = Refused()
        self._strange = {"genome": Refused(), "protein": Refused()}
        self._valid = {"genome": bases.LETTERS, "protein": protein.LETTERS} if complain else {}
        self._exact, self._either, self._ids = Repeats(), Repeats(), Repeats()
        self._histogram = np.zeros(256, np.int64)
        self._waiting: list[bytes] = []
        self._waits = 0
        self._name = ""
        self._size = 0
        self._met: set[str] = set()
        self._spelled, self._strand = Fingerprint(), Fingerprint()
        self._open = False

    def take_all(self) -> None:
        """What comes is spelled out by a domain of its own: every letter is taken as it stands."""
        self._valid = {}

    def begin(self, name: str, *, named: bool = True) -> None:
        """The next record; ``named`` tells whether the name is its own and not its number."""
        self.end()
        self.count += 1
        self._name, self._size, self._met, self._open = name, 0, set(), True
        self._spelled, self._strand = Fingerprint(), Fingerprint()
        if named:
            self._ids.add(hashed(name.encode()), self.count)

    def add(self, piece: bytes) -> None:
        """Letters of the record."""
        for alphabet, letters in self._valid.items():
            if alphabet not in self._met and (unknown := piece.translate(None, letters)):
                at = self._size + piece.index(unknown[:1]) + 1
                meaning = {"genome": "DNA or RNA", "protein": "a protein"}[alphabet]
                why = f"{chr(unknown[0])!r} at letter {at} is not a letter of {meaning}"
                self._strange[alphabet].add(self.count, self.where, why)
                self._met.add(alphabet)
        self._spelled.add(piece.upper() if self._valid else piece)
        if self._may_be_dna:
            codes = piece.translate(_CODES)
            self._strand.add(codes, codes.translate(_COMPLEMENTS))
        self._size += len(piece)
        self._waiting.append(piece)
        self._waits += len(piece)
        if self._waits >= _BLOCK:
            self._count_letters()

    def end(self) -> int | None:
        """The record is whole; its hash, equal for reverse complements, None where it is empty."""
        if not self._open:
            return None
        self._open = False
        self.lengths[self._size] += 1
        if not self._size:
            self.empty += 1
            if self._valid:
                self.refused.add(self.count, self.where, "the sequence is empty")
            return None
        exact = self._spelled.exact()
        either = self._strand.either() if self._may_be_dna else exact
        self._exact.add(exact, self.count)
        self._either.add(either, self.count)
        return either

    def interval(self, name: str, size: int) -> None:
        """A record of which only the length is known."""
        self.count += 1
        self.lengths[size] += 1
        self._ids.add(hashed(name.encode()), self.count)

    def bad(self, name: str, why: str) -> None:
        """A record that could not be read."""
        self.end()
        self.count += 1
        self._name = name
        self.refused.add(self.count, self.where, why)

    @property
    def _may_be_dna(self) -> bool:
        return bool(self._valid) and "genome" not in self._met

    @property
    def where(self) -> str:
        """The record that was begun last, as error messages name it."""
        return f"{self.source}, record {self.count} ({self._name})"

    @property
    def ids(self) -> Repeated:
        """Ids that stand more than once."""
        return self._ids.found()

    @property
    def letters(self) -> int:
        """Letters of all records."""
        return sum(size * count for size, count in self.lengths.items())

    def domain(self) -> str:
        """What the letters are: genome, protein, or nothing of these."""
        self._count_letters()
        total = int(self._histogram.sum())
        if not total or not self._valid:
            return ""
        if int(self._histogram[list(b"ACGTUNacgtun")].sum()) >= _NUCLEIC_SHARE * total:
            return "genome"
        proper = int(self._histogram[list(protein.LETTERS)].sum())
        return "protein" if proper > 0.99 * total else ""

    def describe(self, domain: str) -> dict[str, Any]:
        """All of it, for JSON; letters that the domain does not have count as refused."""
        self.end()
        exact, either = self._exact.found(), self._either.found()
        told: dict[str, Any] = {
            "records": self.count,
            "letters": self.letters,
            "length": spread(self.lengths),
            "empty": self.empty,
            "duplicates": {"exact": _repeated(exact)},
            "duplicate_ids": _repeated(self.ids),
        }
        if domain == "genome":
            more = max(0, either.count - exact.count)
            told["duplicates"]["reverse_complement"] = {
                "count": more,
                "estimated": not either.exact,
                "example": _example(either) if either.example != exact.example else None,
            }
        told |= self._composition(domain)
        self._take_strange(domain)
        return told

    def _composition(self, domain: str) -> dict[str, Any]:
        self._count_letters()
        total = max(int(self._histogram.sum()), 1)

        def share(letters: bytes, of: int = total) -> float:
            return int(self._histogram[list({*letters, *letters.lower()})].sum()) / max(of, 1)

        lower = int(self._histogram[ord("a") : ord("z") + 1].sum()) / total
        if domain == "genome":
            plain = share(b"ACGTU")
            return {
                "gc": share(b"GC", of=round(plain * total)),
                "n": share(b"N"),
                "ambiguous": max(0.0, share(bytes(set(bases.LETTERS.upper()) - set(b"ACGTUN")))),
                "lower_case": lower,
                "rna": share(b"U") > share(b"T"),
            }
        if domain == "protein":
            return {"ambiguous": share(b"BJXZ"), "gaps": share(GAPS), "lower_case": lower}
        return {}

    def _take_strange(self, domain: str) -> None:
        if domain in self._strange:
            self.refused.join(self._strange.pop(domain))

    def _count_letters(self) -> None:
        held = np.frombuffer(b"".join(self._waiting), np.uint8)
        self._histogram += np.bincount(held, minlength=256)
        self._waiting, self._waits = [], 0


def spread(lengths: Counter[int]) -> dict[str, float]:
    """Smallest, median, mean and largest length, and N50; nothing of no record.

    N50 is the largest length such that records at least so long hold half of all letters.
    """
    if not lengths:
        return {}
    sizes = np.array(sorted(lengths), np.int64)
    counts = np.array([lengths[size] for size in sizes.tolist()], np.int64)
    records, letters = int(counts.sum()), int((sizes * counts).sum())
    below = np.cumsum(counts)
    low, high = (
        sizes[np.searchsorted(below, place, side="right")]
        for place in ((records - 1) // 2, records // 2)
    )
    behind = np.cumsum((sizes * counts)[::-1])
    half = sizes[::-1][np.searchsorted(behind, -(-letters // 2))]
    return {
        "min": int(sizes[0]),
        "median": float(low + high) / 2,
        "mean": letters / records,
        "max": int(sizes[-1]),
        "n50": int(half),
    }


def _repeated(found: Repeated) -> dict[str, Any]:
    return {"count": found.count, "estimated": not found.exact, "example": _example(found)}


def _example(found: Repeated) -> list[int] | None:
    return list(found.example) if found.example else None
