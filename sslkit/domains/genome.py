"""DNA and RNA as k-mers.

Units on disk are single bases (A, C, G, T = 0 to 3, anything ambiguous 4), one byte each. Tokens
are the k-mers that start at every ``stride``-th base; they are made when a batch is, so that a
window may begin at any base. U reads as T and lower case as upper case.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.domains import _fasta
from sslkit.errors import OnError, UsageError
from sslkit.files import sequences
from sslkit.types import Array, Arrays, Draws, Record, TokenSpec, Vocabulary
from sslkit.vocab.scheme import Kmers

VERSION = 1
GIVES = frozenset({"tokens", "strand"})
ENDINGS = sequences.ENDINGS

#: Code of a base that is not one of A, C, G, T.
AMBIGUOUS = 4
_IUPAC = b"ACGTURYSWKMBDHVN"
#: Letters of DNA and RNA, ambiguous ones and the gap included.
LETTERS = _IUPAC + _IUPAC.lower() + b"-"
_COMPOSITION_ORDERS = (1, 2, 3, 4)


def _code_table() -> npt.NDArray[np.uint8]:
    table = np.full(256, AMBIGUOUS, np.uint8)
    for code, letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
        table[list(letters)] = code
    return table


_CODES = _code_table()
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, AMBIGUOUS], np.uint8)


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

    def __post_init__(self) -> None:
        if not 1 <= self.k <= 31:
            raise ValueError(f"k is between 1 and 31, not {self.k}")
        if self.stride == 0:
            object.__setattr__(self, "stride", max(1, self.k // 2))
        if not 1 <= self.stride <= self.k:
            raise ValueError(
                f"stride is between 1 and k = {self.k}, not {self.stride}: a larger one would "
                "skip bases"
            )


class Domain:
    """Genomes; implements ``types.Domain``."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        self.settings = settings
        self._spec: TokenSpec | None = None
        if vocabulary is not None:
            k = settings.k
            if len(vocabulary) and len(vocabulary.tokens[0]) != k:
                raise UsageError(
                    f"the vocabulary holds tokens of {len(vocabulary.tokens[0])} bases, not {k}",
                    do=f"sslkit build-vocab --k {k}, or leave --k out",
                )
            bases = to_codes("".join(vocabulary.tokens).encode()).reshape(-1, k)
            self._spec = TokenSpec(
                len(vocabulary),
                reach=-(-k // settings.stride) - 1,
                parts=bases.astype(np.int64) + 4 * np.arange(k),
            )
            self._ids = _IdTable(kmer_codes(bases, k)[:, 0], self._spec.unknown, k)

    @property
    def spec(self) -> TokenSpec:
        """Sizes and special ids."""
        if self._spec is None:
            raise UsageError("this needs a vocabulary", do="run sslkit build-vocab first")
        return self._spec

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The sequences of any file that ``files.sequences`` reads without further options."""
        for record in sequences.read(path, on_error):
            yield self.check(record, on_error)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        return self.check(Record(name, "".join(text.split()).encode(), source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        """The record where it is DNA or RNA; else it carries ``error`` or stops the run."""
        if record.error or not (problem := _problem(record.payload)):
            return record
        bad = replace(record, payload=b"", error=problem)
        if on_error == "stop":
            raise sequences.bad_record(bad)
        return bad

    def encode(self, record: Record) -> npt.NDArray[np.uint8]:
        """Codes of the bases, [bases]."""
        return to_codes(record.payload)

    @property
    def encoding(self) -> str:
        """What decides the units of a record: nothing but their codes."""
        return "bases"

    def twin(self, units: Array) -> Array:
        """The reverse complement."""
        return reverse_complement(units)

    @property
    def phases(self) -> int:
        """A motif falls onto tokens in as many ways as there are bases between tokens."""
        return self.settings.stride

    def units(self, tokens: int) -> int:
        """Bases that give so many tokens."""
        return (tokens - 1) * self.settings.stride + self.settings.k

    def length(self, units: int) -> int:
        """Tokens that so many bases give; 0 where they are fewer than k."""
        if units < self.settings.k:
            return 0
        return (units - self.settings.k) // self.settings.stride + 1

    def batch(self, units: Array, lengths: Array, draws: Draws | None) -> Arrays:
        """Token ids [rows, tokens] and lengths [rows] of base codes [rows, bases].

        With ``draws`` and ``both_strands`` half of the rows are reverse complemented.
        """
        spec, k, stride = self.spec, self.settings.k, self.settings.stride
        if draws is not None and self.settings.both_strands:
            flip = draws.uniform("strand", 1)[:, 0] < 0.5
            units = _flip_rows(units, lengths, flip)
        tokens = self._ids[kmer_codes(units, k)[:, ::stride]]
        count = np.where(lengths >= k, (lengths - k) // stride + 1, 0)
        tokens[np.arange(tokens.shape[1]) >= count[:, None]] = spec.pad
        return {"tokens": tokens, "length": count.astype(np.int64)}

    def composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Relative frequencies of all 1- to 4-mers, [examples, 340]: what needs no model."""
        return np.stack([_frequencies(codes) for codes in examples])

    def places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """The base at every place, one-hot, [examples, 4 x bases]; 0 for an ambiguous one."""
        codes: npt.NDArray[np.uint8] = np.stack(examples)
        hot = np.equal(codes[..., None], np.arange(4))
        return hot.reshape(len(codes), -1).astype(np.float32)

    def signature(self, record: Record) -> bytes:
        """Equal for records that are equal or reverse complements of each other."""
        codes = to_codes(record.payload)
        return min(codes.tobytes(), reverse_complement(codes).tobytes())


def _problem(letters: bytes) -> str:
    if not letters:
        return "the sequence is empty"
    if not (strange := letters.translate(None, LETTERS)):
        return ""
    at = letters.index(strange[:1]) + 1
    # These stand for amino acids and for no base.
    hint = ", it looks like a protein" if set(strange.upper()) <= set(b"EFILPQXZJO*") else ""
    return f"{chr(strange[0])!r} at base {at} is not a letter of DNA or RNA{hint}"


def counting(settings: Settings, on_error: OnError) -> Kmers:
    """How the tokens of a corpus are counted: k-mers at every base, whatever the stride."""
    del on_error  # the stage asks for a survey first where bad records are to be skipped
    table = np.full(256, _fasta.INVALID, np.uint8)
    table[list(LETTERS)] = _CODES[list(LETTERS)]
    scanner = partial(_fasta.Scanner, codes=table.tobytes(), width=settings.k, meaning="DNA or RNA")
    return Kmers(
        settings.k,
        b"ACGT",
        reader=lambda name, skip: scanner(name, skip=skip),
        survey=lambda name, bad: scanner(name, bad=bad),
    )


class _IdTable:
    """From k-mer code to token id: a dense table where it is small, else a sorted one."""

    _DENSE = 12

    def __init__(self, codes: npt.NDArray[np.int64], unknown: int, k: int) -> None:
        ids = np.arange(len(codes), dtype=np.int64)
        self._unknown = unknown
        self._dense: npt.NDArray[np.int64] | None = None
        if k <= self._DENSE:
            # The last cell serves windows with an ambiguous base, whose code is -1.
            self._dense = np.full(4**k + 1, unknown, np.int64)
            self._dense[codes] = ids
        else:
            order = np.argsort(codes)
            self._codes, self._sorted = codes[order], ids[order]

    def __getitem__(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if self._dense is not None:
            return self._dense[codes]
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[place] == codes, self._sorted[place], self._unknown)


def to_codes(letters: bytes) -> npt.NDArray[np.uint8]:
    """Base codes of letters, [bases] uint8."""
    return _CODES[np.frombuffer(letters, np.uint8)]


def to_letters(codes: Array) -> str:
    """The inverse of ``to_codes``; ambiguous bases become N."""
    return _LETTERS[codes].tobytes().decode("ascii")


def reverse_complement(codes: Array) -> Array:
    """The other strand, read in its own direction, along the last axis."""
    return _COMPLEMENT[codes][..., ::-1]


def kmer_codes(codes: Array, k: int) -> npt.NDArray[np.int64]:
    """The number of every k-mer in base 4, along the last axis: [..., bases - k + 1].

    A window with an ambiguous base gets -1. Doubling: a k-mer is two shorter ones side by side.
    """
    width = codes.shape[-1] - k + 1
    if width < 1:
        return np.empty((*codes.shape[:-1], 0), np.int64)
    values = np.zeros((*codes.shape[:-1], width), np.int64)
    powers: dict[int, npt.NDArray[np.int64]] = {1: (codes & 3).astype(np.int64)}
    size = 1
    while size * 2 <= k:
        half = powers[size]
        powers[size * 2] = (half[..., :-size] << (2 * size)) | half[..., size:]
        size *= 2
    at = 0
    for size in sorted(powers, reverse=True):
        while k - at >= size:
            values = (values << (2 * size)) | powers[size][..., at : at + width]
            at += size
    bad = np.cumsum(codes == AMBIGUOUS, axis=-1)
    before = np.concatenate([np.zeros((*codes.shape[:-1], 1), bad.dtype), bad], axis=-1)
    values[before[..., k:] != before[..., :width]] = -1
    return values


def _flip_rows(units: Array, lengths: Array, flip: Array) -> Array:
    """The flagged rows reverse complemented within their length; the padding stays behind."""
    columns = np.arange(units.shape[1])
    source = np.where(columns < lengths[:, None], lengths[:, None] - 1 - columns, columns)
    flipped = _COMPLEMENT[np.take_along_axis(units, source, axis=1)]
    return np.where(flip[:, None], flipped, units)


def _frequencies(codes: Array) -> npt.NDArray[np.float32]:
    parts = []
    for order in _COMPOSITION_ORDERS:
        found = kmer_codes(codes, order)
        counts = np.bincount(found[found >= 0], minlength=4**order)
        parts.append(counts / max(counts.sum(), 1))
    return np.concatenate(parts).astype(np.float32)
