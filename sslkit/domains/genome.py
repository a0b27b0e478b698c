"""DNA and RNA as k-mers.

Units on disk are single bases (A, C, G, T = 0 to 3, anything ambiguous 4), one byte each. Tokens
are the k-mers that start at every ``stride``-th base; they are made when a batch is, so that a
window may begin at any base. U reads as T and lower case as upper case.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt

from sslkit.contracts.features import Features, of_sequences
from sslkit.contracts.spec import Ids
from sslkit.domains.biology import bases, fasta
from sslkit.domains.biology.ids import IdTable
from sslkit.domains.biology.kmers import Kmers as KmerDomain
from sslkit.domains.biology.kmers import settled
from sslkit.domains.biology.long_sequences import LongUnits
from sslkit.errors import OnError, UsageError
from sslkit.files import sequences
from sslkit.files.letters import Letters, blocks
from sslkit.types import Array, Arrays, Draws, Record, Vocabulary
from sslkit.vocab.scheme import Kmers

VERSION = 1
GIVES = frozenset({"tokens", "strand", "corrupted", "view"})
ENDINGS = sequences.ENDINGS


@dataclass(frozen=True)
class Settings:
    """Options of the genome domain."""

    k: int = field(default=6, metadata={"help": "bases per token"})
    # Measured on promoters: "How far apart the k-mers are" in tests/benchmarks/RESULTS.md.
    stride: int = field(
        default=0, metadata={"help": "bases from one token to the next; 0: half of k"}
    )
    both_strands: bool = field(
        default=True, metadata={"help": "train on each window or its reverse complement"}
    )
    noise: float = field(
        default=0.05, metadata={"help": "share of bases that a corrupted copy, or a view, changes"}
    )

    def __post_init__(self) -> None:
        settled(self, "bases")


class Domain(KmerDomain):
    """Genomes; implements ``contracts.domain.TokenDomain``."""

    _spools = True

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        super().__init__(settings)
        self.settings = settings
        if vocabulary is not None:
            k = settings.k
            if len(vocabulary) and len(vocabulary.tokens[0]) != k:
                raise UsageError(
                    f"the vocabulary holds tokens of {len(vocabulary.tokens[0])} bases, not {k}",
                    do=f"sslkit build-vocab --k {k}, or leave --k out",
                )
            letters = bases.to_codes("".join(vocabulary.tokens).encode()).reshape(-1, k)
            size = len(vocabulary)
            # ``size + 1`` is the unknown token.
            self._ids = IdTable(bases.kmer_codes(letters, k)[:, 0], size + 1, 4**k)
            other = bases.kmer_codes(bases.reverse_complement(letters), k)[:, 0]
            tokens = Ids(
                ("length",),
                size,
                overlap=-(-k // settings.stride) - 1,
                parts=letters.astype(np.int64) + 4 * np.arange(k),
                alternatives=self._ids[other] if settings.both_strands else None,
            )
            self._spec = {"tokens": tokens, "corrupted": tokens}

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        return self.check(sequences.of_cell(name, text, source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        """The record where it is DNA or RNA; else it carries ``error`` or stops the run."""
        if record.error or not (problem := _problem(record.payload)):
            return record
        bad = replace(record, payload=b"", error=problem)
        if on_error == "stop":
            raise sequences.bad_record(bad)
        return bad

    def encode(self, record: Record) -> npt.NDArray[np.uint8]:
        """Codes of the bases, [bases]; of a long sequence they are made where they are read."""
        if isinstance(record.payload, Letters):
            return cast("npt.NDArray[np.uint8]", LongUnits(record.payload, bases.to_codes))
        return bases.to_codes(record.payload)

    @property
    def encoding(self) -> str:
        """What decides the units of a record: nothing but their codes."""
        return "bases"

    def alternative(self, units: Array) -> Array:
        """The reverse complement."""
        return bases.reverse_complement(units)

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """Token ids [rows, tokens] and lengths [rows] of base codes [rows, bases].

        With ``draws`` and ``both_strands`` half of the rows are reverse complemented. A corrupted
        copy has some bases replaced by others. A view is a corrupted copy of the other strand.
        """
        if draws is not None and self.settings.both_strands:
            flip = draws.uniform("strand", 1)[:, 0] < 0.5
            units = bases.flip_rows(units, lengths, flip)
        tokens, length = self._tokens(units, lengths)
        made = {"tokens": tokens, "length": length}
        if draws is not None and "corrupted" in needs:
            changed = bases.substituted(units, draws, "corrupted", self.settings.noise)
            made["corrupted"], _ = self._tokens(changed, lengths)
        if draws is not None and "view" in needs:
            other = bases.flip_rows(units, lengths, np.ones(len(units), np.bool_))
            changed = bases.substituted(other, draws, "view", self.settings.noise)
            made["view.tokens"], made["view.length"] = self._tokens(changed, lengths)
        return made

    def _numbers(self, units: Array) -> npt.NDArray[np.int64]:
        return bases.kmer_codes(units, self.settings.k)

    def features(self, examples: Sequence[Array]) -> Features:
        """Frequencies of 1- to 4-mers, and the base at every place of records of one length."""
        return of_sequences(examples, self._composition, self._places)

    def _composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Relative frequencies of all 1- to 4-mers, [examples, 340]: what needs no model."""
        return np.stack([bases.frequencies(codes) for codes in examples])

    def _places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """The base at every place, one-hot, [examples, 4 x bases]; 0 for an ambiguous one."""
        codes: npt.NDArray[np.uint8] = np.stack(examples)
        hot = np.equal(codes[..., None], np.arange(4))
        return hot.reshape(len(codes), -1).astype(np.float32)

    def signature(self, record: Record) -> bytes:
        """Equal for records that are equal or reverse complements of each other."""
        return bases.one_strand(record.payload)


def _problem(letters: bytes | Letters) -> str:
    if not letters:
        return "the sequence is empty"
    before = 0
    for block in blocks(letters):
        if unknown := block.translate(None, bases.LETTERS):
            at = before + block.index(unknown[:1]) + 1
            # These stand for amino acids and for no base.
            is_protein = set(unknown.upper()) <= set(b"EFILPQXZJO*")
            hint = ", it looks like a protein" if is_protein else ""
            return f"{chr(unknown[0])!r} at base {at} is not a letter of DNA or RNA{hint}"
        before += len(block)
    return ""


def counting(settings: Settings, on_error: OnError) -> Kmers:
    """How the tokens of a corpus are counted: k-mers at every base, whatever the stride."""
    del on_error  # the stage asks for a survey first where bad records are to be skipped
    table = np.full(256, fasta.INVALID, np.uint8)
    table[list(bases.LETTERS)] = bases.CODES[list(bases.LETTERS)]
    scanner = partial(fasta.Scanner, codes=table.tobytes(), width=settings.k, meaning="DNA or RNA")
    return Kmers(
        settings.k,
        b"ACGT",
        reader=lambda name, skip: scanner(name, skip=skip),
        survey=lambda name, bad: scanner(name, bad=bad),
    )
