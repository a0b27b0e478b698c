"""Proteins as residues, or as k-mers of residues.

Residues are the twenty amino acids, selenocysteine (U) and pyrrolysine (O); these are what tokens
are made of. What stands for several amino acids (B, J, X, Z), and a stop (*) before the end, is
kept apart in the shards and is one unknown token to a model: windows with it are not counted,
hidden or judged. Gaps (- . ~) are left out, so that an alignment reads as its sequences, and so
is a stop at the end. Lower case is upper case: the insertions of A3M are residues as well.

Units on disk are single residues, one byte each. Tokens are the k-mers that start at every
``stride``-th residue.

With ``aligned`` files are alignments whose rows are read in their columns, so that a token knows
its site (see ``_aligned``). A gap is a token then that a model does not know, and the insertions of
A3M, which belong to no column, are left out. Vocabularies are counted as ever.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.contracts.features import Features, of_sequences
from sslkit.contracts.spec import Ids
from sslkit.domains.biology import aligned as _aligned
from sslkit.domains.biology import residues, substitution
from sslkit.domains.biology.ids import IdTable
from sslkit.domains.biology.kmers import Kmers as KmerDomain
from sslkit.domains.biology.kmers import settled
from sslkit.errors import OnError, UsageError
from sslkit.files import alignment, sequences
from sslkit.types import Array, Arrays, Draws, Record, Vocabulary
from sslkit.vocab.scheme import Strings

VERSION = 1
GIVES = frozenset({"tokens", "corrupted", "view", "sites"})
ENDINGS = (".faa", ".pep", ".aa", *alignment.ENDINGS)
#: Names that tell nothing of proteins: such files are read where the domain is named.
SHARED = sequences.ENDINGS
#: Letters of proteins, ambiguous ones, gaps and stops included.
LETTERS = residues.LETTERS

# Codes of longer ones are no 64-bit numbers.
_LONGEST_READ = 14
_SINGLE = len(substitution.RESIDUES)


@dataclass(frozen=True)
class Settings:
    """Options of the protein domain."""

    k: int = field(default=1, metadata={"help": "residues per token"})
    stride: int = field(
        default=0, metadata={"help": "residues from one token to the next; 0: half of k"}
    )
    noise: float = field(
        default=0.1,
        metadata={
            "help": "share of residues that a corrupted copy, or a view, changes to those that "
            "stand for them in related proteins (BLOSUM62)"
        },
    )
    aligned: bool = field(
        default=False,
        metadata={"help": "read the rows of alignments with their gaps, each token in its column"},
    )
    sites: int = field(
        default=2**15,
        metadata={"help": "size of the table that columns of alignments share, if aligned"},
    )

    def __post_init__(self) -> None:
        settled(self, "residues")
        if self.aligned and self.k > 1:
            raise ValueError(f"aligned=true has one residue a token, not k = {self.k}")
        if not 1 <= self.sites <= _aligned.MOST_SITES:
            raise ValueError(f"sites is from 1 to {_aligned.MOST_SITES}, not {self.sites}")


class Domain(KmerDomain):
    """Proteins; implements ``contracts.domain.TokenDomain``."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        super().__init__(settings)
        self.settings = settings
        if vocabulary is not None:
            k, size = settings.k, len(vocabulary)
            letters = _letters(vocabulary.tokens, k)
            numbers = residues.kmer_codes(letters, k)[:, 0]
            # ``size + 1`` is the unknown token.
            self._ids = IdTable(numbers, size + 1, len(residues.TOKENS) ** k)
            tokens = Ids(
                ("length",),
                size,
                overlap=-(-k // settings.stride) - 1,
                parts=letters.astype(np.int64) + len(residues.TOKENS) * np.arange(k),
            )
            columns = {"sites": Ids(("length",), settings.sites)} if settings.aligned else {}
            self._spec = {"tokens": tokens, "corrupted": tokens, **columns}

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The sequences of any file, or the rows of an alignment."""
        if not self.settings.aligned:
            yield from super().read(path, on_error)
            return
        checked = (self.check(record, "skip") for record in sequences.rows(path, "skip"))
        yield from sequences.stopping(checked, on_error)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        return self.check(sequences.of_cell(name, text, source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        """The record where it is a protein, without gaps or in its columns; else ``error``."""
        if record.error:
            return record
        letters = held = residues.without_gaps(record.payload)
        if self.settings.aligned:
            held = _aligned.columns(record.payload, record.source)
            letters = residues.without_gaps(held)
        if not (problem := _problem(letters)):
            return replace(record, payload=held)
        bad = replace(record, payload=b"", error=problem)
        if on_error == "stop":
            raise sequences.bad_record(bad)
        return bad

    def encode(self, record: Record) -> Array:
        """Codes of the residues, [residues], or units with their sites, [columns]."""
        if self.settings.aligned:
            return _aligned.encode(record.payload, record.source, self.settings.sites)
        return residues.to_codes(record.payload)

    @property
    def encoding(self) -> str:
        """What decides the units of a record: their codes and, in columns, the table of sites."""
        return f"residues at {self.settings.sites} sites" if self.settings.aligned else "residues"

    @property
    def unit_type(self) -> np.dtype[Any]:
        """A byte a residue, four where it knows its site."""
        return _aligned.UNIT if self.settings.aligned else super().unit_type

    def location(self, path: Path) -> str:
        """The family that a file's name says, where it decides the sites of its columns."""
        return _aligned.family(path) if self.settings.aligned else ""

    def alternative(self, units: Array) -> Array:
        """A protein has no other form that says the same."""
        return units

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """Token ids [rows, tokens] and lengths [rows] of units [rows, units].

        A corrupted copy, and a view, which is another one, have some residues replaced by such as
        stand for them in related proteins. Nothing else is random.
        """
        made: Arrays = {}
        if self.settings.aligned:
            made["sites"] = np.where(
                np.arange(units.shape[1]) < lengths[:, None], _aligned.sites(units), 0
            )
            units = _aligned.codes(units)
        tokens, length = self._tokens(units, lengths)
        made |= {"tokens": tokens, "length": length}
        if draws is not None:
            noise = self.settings.noise
            for name, array in (("corrupted", "corrupted"), ("view", "view.tokens")):
                if name in needs:
                    changed = substitution.replaced(units, draws, name, noise) if noise else units
                    made[array], _ = self._tokens(changed, lengths)
            if "view" in needs:
                made["view.length"] = length
                if "sites" in made:
                    made["view.sites"] = made["sites"]
        return made

    def _numbers(self, units: Array) -> npt.NDArray[np.int64]:
        return residues.kmer_codes(units, self.settings.k)

    def features(self, examples: Sequence[Array]) -> Features:
        """Shares of residues and pairs, and the residue at every place of records of one length."""
        return of_sequences(examples, self._composition, self._places)

    def _composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Shares of the amino acids and of their pairs, [examples, 420]: what needs no model."""
        found = np.zeros((len(examples), _SINGLE + _SINGLE**2), np.float32)
        for row, units in zip(found, examples, strict=True):
            codes = _aligned.without_gaps(units) if self.settings.aligned else units
            single = codes[codes < _SINGLE]
            row[:_SINGLE] = np.bincount(single, minlength=_SINGLE) / max(len(single), 1)
            first, second = codes[:-1].astype(np.int64), codes[1:].astype(np.int64)
            pair = (first * _SINGLE + second)[(first < _SINGLE) & (second < _SINGLE)]
            row[_SINGLE:] = np.bincount(pair, minlength=_SINGLE**2) / max(len(pair), 1)
        return found

    def _places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """The amino acid at every place, one-hot, [examples, 20 x residues]; 0 for others."""
        units: Array = np.stack(examples)
        codes = _aligned.codes(units) if self.settings.aligned else units
        hot = np.equal(codes[..., None], np.arange(_SINGLE))
        return hot.reshape(len(codes), -1).astype(np.float32)

    def signature(self, record: Record) -> bytes:
        """Equal for records of the same residues."""
        return residues.to_codes(record.payload.translate(None, alignment.GAPS)).tobytes()


def _letters(tokens: Sequence[str], k: int) -> npt.NDArray[np.uint8]:
    """Codes of the letters of tokens, [tokens, k].

    Raises:
        UsageError: tokens that are no k residues, or more of them than a model can read.
    """
    if k > _LONGEST_READ:
        raise UsageError(
            f"models read up to {_LONGEST_READ} residues per token, not {k}",
            do="count shorter ones: sslkit build-vocab --k 1",
        )
    unknown = next((token for token in tokens if len(token) != k), None)
    if unknown is not None:
        raise UsageError(
            f"the vocabulary holds tokens of {len(unknown)} residues, not {k}",
            why=f"as {unknown!r}",
            do=f"sslkit build-vocab --k {k}, or leave --k out",
        )
    codes = residues.to_codes("".join(tokens).encode("ascii", "replace")).reshape(-1, k)
    if (bad := (codes >= len(residues.TOKENS)).any(1)).any():
        raise UsageError(
            f"the vocabulary holds {tokens[int(bad.argmax())]!r}, which is no {k} residues",
            do="make it with sslkit build-vocab --domain protein and without --special",
        )
    return codes


def _problem(letters: bytes) -> str:
    if not letters:
        return "the sequence is empty"
    if unknown := letters.translate(None, LETTERS):
        at = letters.index(unknown[:1]) + 1
        return f"{chr(unknown[0])!r} at residue {at} is not a letter of a protein"
    return residues.BASES.problem(letters)


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted: k-mers at every residue, whatever the stride."""
    del on_error  # the stage asks for a survey first where bad records are to be skipped
    k = settings.k
    return Strings(
        reader=lambda name, skip: residues.Reader(residues.scanner(name, k, skip=skip), k),
        survey=lambda name, bad: residues.scanner(name, k, bad=bad),
        fasta=True,
        divide=b"\n>",
    )
