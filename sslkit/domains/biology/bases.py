"""Bases as small numbers: A, C, G, T are 0 to 3, anything ambiguous 4."""

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sslkit.files.letters import Letters
from sslkit.types import Array, Draws

#: Code of a base that is not one of A, C, G, T.
AMBIGUOUS = 4
_IUPAC = b"ACGTURYSWKMBDHVN"
#: Letters of DNA and RNA, ambiguous ones and the gap included.
LETTERS = _IUPAC + _IUPAC.lower() + b"-"


def _code_table() -> npt.NDArray[np.uint8]:
    table = np.full(256, AMBIGUOUS, np.uint8)
    for code, letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
        table[list(letters)] = code
    return table


CODES = _code_table()
_TABLE = CODES.tobytes()
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, AMBIGUOUS], np.uint8)
#: The code of the base that stands on the other strand.
_OTHER = _COMPLEMENT[CODES].tobytes()
#: Letters that are looked at together.
_BLOCK = 1 << 20
COMPOSITION_ORDERS = (1, 2, 3, 4)


def to_codes(letters: bytes) -> npt.NDArray[np.uint8]:
    """Base codes of letters, [bases] uint8."""
    # An array of indices would take eight bytes a base on the way.
    if len(letters) <= _BLOCK:
        return np.frombuffer(bytearray(letters.translate(_TABLE)), np.uint8)
    codes = np.empty(len(letters), np.uint8)
    for at in range(0, len(codes), _BLOCK):
        block = letters[at : at + _BLOCK].translate(_TABLE)
        codes[at : at + _BLOCK] = np.frombuffer(block, np.uint8)
    return codes


def to_letters(codes: Array) -> str:
    """The inverse of ``to_codes``; ambiguous bases become N."""
    return _LETTERS[codes].tobytes().decode("ascii")


def reverse_complement(codes: Array) -> Array:
    """The other strand, read in its own direction, along the last axis."""
    return _COMPLEMENT[codes][..., ::-1]


def one_strand(letters: bytes | Letters) -> bytes:
    """The codes of a sequence, or of its other strand: the same for both of them, [bases]."""
    if len(letters) <= _BLOCK:
        text = letters[:]
        return min(text.translate(_TABLE), text.translate(_OTHER)[::-1])
    strands = zip(_strand(letters), _strand(letters, is_other=True), strict=True)
    is_other = next((one > other for one, other in strands if one != other), False)
    written = io.BytesIO()
    for block in _strand(letters, is_other=is_other):
        written.write(block)
    return written.getvalue()


def _strand(letters: bytes | Letters, *, is_other: bool = False) -> Iterator[bytes]:
    """The codes of a strand, block by block."""
    for at in range(0, len(letters), _BLOCK):
        if is_other:
            end = len(letters) - at
            yield letters[max(0, end - _BLOCK) : end].translate(_OTHER)[::-1]
        else:
            yield letters[at : at + _BLOCK].translate(_TABLE)


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


def flip_rows(units: Array, lengths: Array, flip: Array) -> Array:
    """The flagged rows reverse complemented within their length; the padding stays behind."""
    columns = np.arange(units.shape[1])
    source = np.where(columns < lengths[:, None], lengths[:, None] - 1 - columns, columns)
    flipped = _COMPLEMENT[np.take_along_axis(units, source, axis=1)]
    return np.where(flip[:, None], flipped, units)


def substituted(units: Array, draws: Draws, purpose: str, share: float) -> Array:
    """About that share of the bases replaced by another one, each as likely."""
    draw = draws.uniform(purpose, units.shape[1])
    # What is left of the draw below the share says by how much a base moves on: 1 to 3.
    step = 1 + np.minimum(draw / max(share, 1e-9) * 3, 2).astype(units.dtype)
    changed = (draw < share) & (units != AMBIGUOUS)
    return np.where(changed, (units + step) & 3, units)


def frequencies(codes: Array) -> npt.NDArray[np.float32]:
    """Relative frequencies of all 1- to 4-mers of one record, [340]."""
    parts = []
    for order in COMPOSITION_ORDERS:
        counts = np.zeros(4**order, np.int64)
        # Numbers of k-mers take eight bytes each.
        for at in range(0, len(codes), _BLOCK):
            kmers = kmer_codes(codes[at : at + _BLOCK + order - 1], order)
            counts += np.bincount(kmers[kmers >= 0], minlength=4**order)
        parts.append(counts / max(counts.sum(), 1))
    return np.concatenate(parts).astype(np.float32)
