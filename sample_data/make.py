"""Write the sample data: a small genome with a planted grammar, its genes, labelled promoters.

    python sample_data/make.py [FOLDER]

The genome is made of transcription units on both strands: a promoter (a -35 and a -10 box of one
of three families, 16 to 18 bases apart, sometimes an operator before them), a leader with a
Shine-Dalgarno box, a gene whose choice of codons depends on the codon before, and a terminator
that folds back on itself. All of this can be learnt from the genome alone.

labels/promoter.csv asks for the promoter's grammar. Half of its rows are promoters, cut around the
start of transcription as public sets are; the others are decoys, which look like what a search for
promoters finds by mistake:

    gene      a piece of a gene
    shuffled  a promoter's row with its counts of neighbouring pairs kept
    scrambled both boxes have their letters in another order
    mixed     boxes of two families
    spacing   boxes too near or too far

No row stands in the genome: rows come from the same grammar, by a random stream of their own, so
what the genome teaches is how promoters and genes are made and not the answers. A decoy is made
from a promoter that is no row itself.

protein/ holds families of proteins, see protein_files.py.
molecule/ holds molecules, see molecule_files.py.
code/ holds Python, see code_files.py; pairs/ sentences and their translations, see pair_files.py.

Only ``random.Random.random`` is drawn from: Python promises its sequence for all versions.
"""

import itertools
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import code_files
import molecule_files
import pair_files
import protein_files

SEED = 20
GENES = 600
WRITTEN_GENES = 300
LABELLED = 800
ROW_BASES = 100
#: Bases of a row before the start of transcription.
UPSTREAM = 70

FAMILIES = (("TTGACA", "TATAAT"), ("GAACTT", "GTCTAA"), ("CTTGAA", "CCATAT"))
FAMILY_WEIGHTS = (0.5, 0.25, 0.25)
SPACERS = (16, 17, 18)
WRONG_SPACERS = (9, 10, 11, 12, 22, 23, 24, 25)
SHINE_DALGARNO = "AGGAGG"
OPERATOR = "TGTGAACGTTCACA"
REPEAT = "GCCTGATGCGACGCTTGCCGCGTCTTATCAGGC"
#: Chance that a base of a box is the family's own.
CONSERVED = 0.93
DECOYS = ("gene", "shuffled", "scrambled", "mixed", "spacing")
DECOY_WEIGHTS = (0.4, 0.25, 0.15, 0.1, 0.1)

_STOPS = ("TAA", "TAG", "TGA")
_CODONS = tuple(
    a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT" if a + b + c not in _STOPS
)
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
T = TypeVar("T")


class Draw:
    """Random choices of one purpose."""

    def __init__(self, purpose: str) -> None:
        self._rng = random.Random(f"{SEED} {purpose}")

    def chance(self, share: float) -> bool:
        """True in ``share`` of the calls."""
        return self._rng.random() < share

    def whole(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + int(self._rng.random() * (high - low + 1))

    def one(self, items: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of ``items``, by weight."""
        weights = weights or [1.0] * len(items)
        left = self._rng.random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in random order."""
        keyed = [(self._rng.random(), number) for number in range(len(items))]
        return [items[number] for _, number in sorted(keyed)]

    def bases(self, size: int) -> str:
        """Background: A and T somewhat more frequent than C and G."""
        return "".join(self.one("ACGT", (0.29, 0.21, 0.21, 0.29)) for _ in range(size))

    def near(self, box: str) -> str:
        """A box as it stands in a sequence: conserved, not constant."""
        return "".join(base if self.chance(CONSERVED) else self.one("ACGT") for base in box)


def reverse_complement(letters: str) -> str:
    """The other strand."""
    return letters.translate(_COMPLEMENT)[::-1]


def promoter(draw: Draw, kind: str = "promoter") -> tuple[str, str]:
    """Operator or background, -35 box, spacer, -10 box; and what is transcribed: leader with SD."""
    family = draw.one(range(len(FAMILIES)), FAMILY_WEIGHTS)
    first, second = FAMILIES[family]
    if kind == "mixed":
        others = [number for number in range(len(FAMILIES)) if number != family]
        second = FAMILIES[draw.one(others)][1]
    if kind == "scrambled":
        first, second = ("".join(draw.shuffled(box)) for box in (first, second))
    spacer = draw.one(WRONG_SPACERS if kind == "spacing" else SPACERS)
    upstream = draw.near(OPERATOR) + draw.bases(draw.whole(3, 6)) if draw.chance(0.3) else ""
    leader = draw.bases(draw.whole(12, 20)) + draw.near(SHINE_DALGARNO) + draw.bases(7)
    boxes = draw.near(first) + draw.bases(spacer) + draw.near(second)
    return upstream + boxes + draw.bases(draw.whole(5, 8)), leader


def gene(draw: Draw) -> str:
    """Start, codons, stop. The last base of a codon makes some codons likelier after it."""
    codons = ["ATG"]
    for _ in range(draw.whole(55, 135)):
        favoured = {"A": "G", "C": "A", "G": "C", "T": "G"}[codons[-1][2]]
        weights = [
            (4.0 if codon[0] == favoured else 1.0) * (3.0 if codon[2] in "CG" else 1.0)
            for codon in _CODONS
        ]
        codons.append(draw.one(_CODONS, weights))
    return "".join(codons) + draw.one(_STOPS, (0.6, 0.1, 0.3))


def terminator(draw: Draw) -> str:
    """A stem of C and G, a loop, the stem again on the other strand, a run of T."""
    stem = "".join(draw.one("ACGT", (0.1, 0.4, 0.4, 0.1)) for _ in range(draw.whole(6, 9)))
    return stem + draw.bases(4) + reverse_complement(stem) + "T" * draw.whole(5, 8)


def genome(draw: Draw) -> tuple[str, list[tuple[str, str]]]:
    """The chromosome, and each gene's title line and sequence."""
    parts: list[str] = []
    genes: list[tuple[str, str]] = []
    at = 0
    for number in range(1, GENES + 1):
        head, body = "".join(promoter(draw)), gene(draw)
        unit = head + body + draw.bases(draw.whole(4, 10)) + terminator(draw)
        gap = draw.bases(draw.whole(10, 50))
        if draw.chance(0.15):
            gap += draw.near(REPEAT)
        forward = draw.chance(0.5)
        start = at + len(gap) + (len(head) if forward else len(unit) - len(head) - len(body))
        place = f"chr1:{start}-{start + len(body)}({'+' if forward else '-'})"
        genes.append((f"gene{number:04d} {place}", body))
        parts += [gap, unit if forward else reverse_complement(unit)]
        at += len(gap) + len(unit)
    return "".join(parts), genes


def labelled(draw: Draw) -> list[tuple[str, str, int]]:
    """Rows of id, sequence and label in random order."""
    kinds = [draw.one(DECOYS, DECOY_WEIGHTS) if n % 2 else "promoter" for n in range(LABELLED)]
    rows: list[tuple[str, str, int]] = []
    for number, kind in enumerate(draw.shuffled(kinds), 1):
        letters = _gene_row(draw) if kind == "gene" else _promoter_row(draw, kind)
        rows.append((f"s{number:04d}", letters, int(kind == "promoter")))
    return rows


def _promoter_row(draw: Draw, kind: str) -> str:
    before, after = promoter(draw, kind)
    before = draw.bases(UPSTREAM - len(before)) + before
    letters = before + after + draw.bases(ROW_BASES - UPSTREAM - len(after))
    return pair_shuffled(draw, letters[:ROW_BASES]) if kind == "shuffled" else letters[:ROW_BASES]


def _gene_row(draw: Draw) -> str:
    body = gene(draw)
    start = draw.whole(0, len(body) - ROW_BASES)
    return body[start : start + ROW_BASES]


def pair_shuffled(draw: Draw, letters: str) -> str:
    """A random sequence with the same number of each pair of neighbours (Altschul & Erickson 1985).

    A walk along shuffled lists of successors; the last step away from each base must lead to the
    end, which is tried until it does.
    """
    end = letters[-1]
    after = {base: [b for a, b in itertools.pairwise(letters) if a == base]
             for base in sorted(set(letters))}  # fmt: skip
    while True:
        order = {base: draw.shuffled(successors) for base, successors in after.items()}
        last = {base: successors[-1] for base, successors in order.items() if base != end}
        if all(_reaches(base, end, last) for base in last):
            break
    walk, used = [letters[0]], dict.fromkeys(order, 0)
    while len(walk) < len(letters):
        base = walk[-1]
        walk.append(order[base][used[base]])
        used[base] += 1
    return "".join(walk)


def _reaches(base: str, end: str, last: dict[str, str]) -> bool:
    for _ in range(len(last)):
        base = last.get(base, end)
    return base == end


def fasta(entries: Sequence[tuple[str, str]]) -> str:
    """Entries of title and letters as FASTA with lines of 70."""
    lines: list[str] = []
    for title, letters in entries:
        lines += [f">{title}", *(letters[at : at + 70] for at in range(0, len(letters), 70))]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write all files below ``folder``."""
    chromosome, genes = genome(Draw("genome"))
    rows = labelled(Draw("labels"))
    table = ["id,sequence,label", *(f"{name},{text},{label}" for name, text, label in rows)]
    files = {
        "corpus/genome.fa": fasta([("chr1 a made-up bacterium", chromosome)]),
        "corpus/genes.fa": fasta(genes[:WRITTEN_GENES]),
        "labels/promoter.csv": "\n".join(table) + "\n",
        **protein_files.files(),
        **code_files.files(),
        **pair_files.files(),
        **molecule_files.files(),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("ascii"))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
