"""k-mers as numbers: letters packed two bits each, all windows by shifts.

A k-mer's number is its letters read as digits in base 4, so numbers sort as k-mers do. Thirty-two
letters make one 64-bit word; the k-mers that begin at the j-th letter of every word come out of
two shifts over whole arrays, which is faster than building them letter by letter.
"""

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import BREAK, Codes

Keys = npt.NDArray[np.uint64]
_PER_WORD = 32
# Brings the two low bits of four bytes together in the highest byte of a 32-bit product.
_GATHER = np.uint32((1 << 30) | (1 << 20) | (1 << 10) | 1)


def none(k: int) -> np.uint64:
    """The number of no k-mer: larger than all of them."""
    return np.uint64(4**k)


def kmers(codes: Codes, k: int, canonical: bool = False) -> Keys:
    """The number of every window of k letters, in no particular order.

    Args:
        codes: letters 0 to 3, BREAK where no window may reach across; at least k of them.
        k: letters per window, 1 to 31.
        canonical: give a window and its reverse complement the smaller of their two numbers.

    Returns:
        numbers, among them ``none(k)`` for windows across a BREAK or the end; [n >= len(codes)].
    """
    words = _packed(codes)
    here, after = words[:-1], words[1:]
    found = np.empty((_PER_WORD, len(here)), np.uint64)
    drop = np.uint64(64 - 2 * k)
    np.right_shift(here, drop, out=found[0])
    for offset in range(1, _PER_WORD):
        row = found[offset]
        np.left_shift(here, np.uint64(2 * offset), out=row)
        row |= after >> np.uint64(64 - 2 * offset)
        row >>= drop
    if canonical:
        np.minimum(found, reverse_complement(found, k), out=found)
    # The window that begins at letter s stands at [s % 32, s // 32].
    starts = len(codes) - k + 1
    bad = _across(codes, k, starts)
    ends = np.arange(starts, found.size)
    for gone in (bad, ends):
        found[gone % _PER_WORD, gone // _PER_WORD] = none(k)
    return found.reshape(-1)


def _packed(codes: Codes) -> Keys:
    """32 letters per word, the first one highest; a spare word at the end."""
    count = -(-len(codes) // _PER_WORD) + 1
    padded = np.zeros(count * _PER_WORD, np.uint8)
    np.bitwise_and(codes, 3, out=padded[: len(codes)])
    fours = padded.view("<u4") * _GATHER
    quads = (fours >> np.uint32(24)).astype(np.uint8)
    return quads.view(">u8").astype(np.uint64)


def _across(codes: Codes, k: int, starts: int) -> npt.NDArray[np.int64]:
    """Where windows begin that hold a BREAK; some may be named twice."""
    breaks = np.flatnonzero(codes == BREAK)
    if len(breaks) * k > len(codes):
        # Long stretches of them: going through the windows takes less than through the breaks.
        held = np.concatenate((np.zeros(1, np.int32), np.cumsum(codes == BREAK, dtype=np.int32)))
        return np.flatnonzero(held[k : k + starts] > held[:starts])
    begin = (breaks[:, None] - np.arange(k)).reshape(-1)
    return begin[(begin >= 0) & (begin < starts)]


def spell(numbers: Keys, k: int, letters: bytes) -> npt.NDArray[np.uint8]:
    """The letters of k-mers, [len(numbers), k] bytes."""
    alphabet = np.frombuffer(letters, np.uint8)
    out = np.empty((len(numbers), k), np.uint8)
    for place in range(k):
        digit = (numbers >> np.uint64(2 * (k - 1 - place))) & np.uint64(3)
        out[:, place] = alphabet[digit.astype(np.intp)]
    return out


def reverse_complement(numbers: Keys, k: int) -> Keys:
    """The numbers of the k-mers of the other strand, letters coded A, C, G, T."""
    x = ~numbers
    for shift, mask in ((2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F)):
        low = np.uint64(mask)
        x = ((x & low) << np.uint64(shift)) | ((x >> np.uint64(shift)) & low)
    return x.byteswap() >> np.uint64(64 - 2 * k)
