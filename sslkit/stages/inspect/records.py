"""Statistics of records for inspect, read once: lengths, letters, repeats, and what is refused."""

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
#: In proteins the letters of the four bases are less than a third of all letters.
_NUCLEIC_SHARE = 0.5


@dataclass
class Refused:
    """Records that a stage would refuse: their number, and the first few."""

    count: int = 0
    first: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, number: int, where: str, why: str) -> None:
        """Add the record of this number."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append((number, where, why))

    def join(self, other: "Refused") -> None:
        """Add the records of ``other``; the first few stay in the order of records."""
        self.count += other.count
        self.first = sorted(self.first + other.first)[:_SHOWN]

    def describe(self) -> dict[str, Any]:
        """Count and first records, for JSON."""
        first = [{"where": where, "why": why} for _, where, why in self.first]
        return {"count": self.count, "first": first}


class Records:
    """Statistics of the records of one file, which are added in pieces.

    Args:
        source: the file, for messages.
        check_letters: whether records are sequences, whose letters are checked.

    Memory is bounded: lengths are counted by value, and there are fewer different ones than the
    square root of twice the letters; repeats are counted by hashes (see ``data.repeats``).
    """

    def __init__(self, source: str, *, check_letters: bool = True) -> None:
        self.source = source
        self.count = self.empty = 0
        self.lengths: Counter[int] = Counter()
        self.refused = Refused()
        self._unknown = {"genome": Refused(), "protein": Refused()}
        self._valid = {"genome": bases.LETTERS, "protein": protein.LETTERS} if check_letters else {}
        self._exact, self._either, self._ids = Repeats(), Repeats(), Repeats()
        self._histogram = np.zeros(256, np.int64)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._name = ""
        self._size = 0
        self._has_unknown: set[str] = set()
        self._letters_hash, self._strands_hash = Fingerprint(), Fingerprint()
        self._open = False

    def accept_all(self) -> None:
        """Accept every letter: records are read by a domain of their own."""
        self._valid = {}

    def begin(self, name: str, *, named: bool = True) -> None:
        """Begin the next record.

        Args:
            named: whether ``name`` is an id of the file, and not the record's number.
        """
        self.end()
        self.count += 1
        self._name, self._size, self._has_unknown, self._open = name, 0, set(), True
        self._letters_hash, self._strands_hash = Fingerprint(), Fingerprint()
        if named:
            self._ids.add(hashed(name.encode()), self.count)

    def add(self, piece: bytes) -> None:
        """Add letters to the record."""
        for alphabet, letters in self._valid.items():
            if alphabet not in self._has_unknown and (unknown := piece.translate(None, letters)):
                position = self._size + piece.index(unknown[:1]) + 1
                kind = {"genome": "DNA or RNA", "protein": "a protein"}[alphabet]
                why = f"{chr(unknown[0])!r} at letter {position} is not a letter of {kind}"
                self._unknown[alphabet].add(self.count, self.where, why)
                self._has_unknown.add(alphabet)
        self._letters_hash.add(piece.upper() if self._valid else piece)
        if self._may_be_dna:
            codes = piece.translate(_CODES)
            self._strands_hash.add(codes, codes.translate(_COMPLEMENTS))
        self._size += len(piece)
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        if self._pending_bytes >= _BLOCK:
            self._count_letters()

    def end(self) -> int | None:
        """End the record.

        Returns:
            its hash, equal for reverse complements; None where it is empty.
        """
        if not self._open:
            return None
        self._open = False
        self.lengths[self._size] += 1
        if not self._size:
            self.empty += 1
            if self._valid:
                self.refused.add(self.count, self.where, "the sequence is empty")
            return None
        exact = self._letters_hash.exact()
        either = self._strands_hash.either() if self._may_be_dna else exact
        self._exact.add(exact, self.count)
        self._either.add(either, self.count)
        return either

    def interval(self, name: str, size: int) -> None:
        """Add a record of which only the length is known."""
        self.count += 1
        self.lengths[size] += 1
        self._ids.add(hashed(name.encode()), self.count)

    def bad(self, name: str, why: str) -> None:
        """Add a record that could not be read."""
        self.end()
        self.count += 1
        self._name = name
        self.refused.add(self.count, self.where, why)

    @property
    def _may_be_dna(self) -> bool:
        return bool(self._valid) and "genome" not in self._has_unknown

    @property
    def where(self) -> str:
        """The record that was begun last, for error messages."""
        return f"{self.source}, record {self.count} ({self._name})"

    @property
    def ids(self) -> Repeated:
        """Ids that occur more than once."""
        return self._ids.found()

    @property
    def letters(self) -> int:
        """Letters of all records."""
        return sum(size * count for size, count in self.lengths.items())

    def domain(self) -> str:
        """The domain of the letters: genome, protein, or empty for neither."""
        self._count_letters()
        total = int(self._histogram.sum())
        if not total or not self._valid:
            return ""
        if int(self._histogram[list(b"ACGTUNacgtun")].sum()) >= _NUCLEIC_SHARE * total:
            return "genome"
        residues = int(self._histogram[list(protein.LETTERS)].sum())
        return "protein" if residues > 0.99 * total else ""

    def describe(self, domain: str) -> dict[str, Any]:
        """All statistics, for JSON; records with letters that are not of the domain are refused."""
        self.end()
        exact, either = self._exact.found(), self._either.found()
        description: dict[str, Any] = {
            "records": self.count,
            "letters": self.letters,
            "length": spread(self.lengths),
            "empty": self.empty,
            "duplicates": {"exact": _repeated(exact)},
            "duplicate_ids": _repeated(self.ids),
        }
        if domain == "genome":
            count = max(0, either.count - exact.count)
            description["duplicates"]["reverse_complement"] = {
                "count": count,
                "estimated": not either.exact,
                "example": _example(either) if either.example != exact.example else None,
            }
        description |= self._composition(domain)
        if domain in self._unknown:
            self.refused.join(self._unknown.pop(domain))
        return description

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

    def _count_letters(self) -> None:
        letters = np.frombuffer(b"".join(self._pending), np.uint8)
        self._histogram += np.bincount(letters, minlength=256)
        self._pending, self._pending_bytes = [], 0


def spread(lengths: Counter[int]) -> dict[str, float]:
    """Smallest, median, mean and largest length, and N50; empty without records.

    N50 is the largest length such that records at least so long have half of all letters.
    """
    if not lengths:
        return {}
    sizes = np.array(sorted(lengths), np.int64)
    counts = np.array([lengths[size] for size in sizes.tolist()], np.int64)
    records, letters = int(counts.sum()), int((sizes * counts).sum())
    ranks = np.cumsum(counts)
    low, high = (
        sizes[np.searchsorted(ranks, rank, side="right")]
        for rank in ((records - 1) // 2, records // 2)
    )
    letters_from_longest = np.cumsum((sizes * counts)[::-1])
    n50 = sizes[::-1][np.searchsorted(letters_from_longest, -(-letters // 2))]
    return {
        "min": int(sizes[0]),
        "median": float(low + high) / 2,
        "mean": letters / records,
        "max": int(sizes[-1]),
        "n50": int(n50),
    }


def _repeated(repeats: Repeated) -> dict[str, Any]:
    return {"count": repeats.count, "estimated": not repeats.exact, "example": _example(repeats)}


def _example(repeats: Repeated) -> list[int] | None:
    return list(repeats.example) if repeats.example else None
