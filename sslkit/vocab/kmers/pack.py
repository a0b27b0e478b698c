"""k-mers as numbers: letters packed two bits each, all windows by shifts.

A k-mer's number is its letters read as digits in base 4, so numbers sort as k-mers do. Thirty-two
letters make one 64-bit word; the k-mers that begin at the j-th letter of every word come out of a
few shifts over whole arrays, which is faster than building them letter by letter. Those of the
other strand come out of the reversed words in the same way.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import BREAK, Codes

Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int32]
#: Letters per word.
PER_WORD = 32
# Brings the two low bits of four bytes together in the highest byte of a 32-bit product.
_GATHER = np.uint32((1 << 30) | (1 << 20) | (1 << 10) | 1)


@dataclass(frozen=True, slots=True)
class Packed:
    """Letters in a row.

    Attributes:
        words: 32 letters each, the first one highest; a spare word at the end.
        breaks: places where no window may reach across, ascending; the first one behind the
            letters and all up to the end of the words are among them.
    """

    words: Keys
    breaks: Places

    @property
    def letters(self) -> int:
        """How many windows are made of them, bad ones too."""
        return PER_WORD * (len(self.words) - 1)


def none(k: int) -> np.uint64:
    """The number of no k-mer: larger than all of them."""
    return np.uint64(4**k)


def packed(codes: Codes) -> Packed:
    """Letters 0 to 3, and BREAK where no window may reach across; several count as one."""
    breaks = np.flatnonzero(codes == BREAK)
    again = breaks[1:] == breaks[:-1] + 1
    if again.any():
        codes = np.delete(codes, breaks[1:][again])
        breaks = np.flatnonzero(codes == BREAK)
    count = -(-len(codes) // PER_WORD) + 1
    padded = np.zeros(count * PER_WORD, np.uint8)
    np.bitwise_and(codes, 3, out=padded[: len(codes)])
    fours = padded.view("<u4")
    fours *= _GATHER
    fours >>= np.uint32(24)
    words = fours.astype(np.uint8).view(">u8").astype(np.uint64)
    behind = np.arange(len(codes), (count - 1) * PER_WORD + 1)
    return Packed(words, np.concatenate((breaks, behind)).astype(np.int32))


class Windows:
    """Gives the windows of packed letters, one array after the other in the same memory."""

    def __init__(self, k: int, canonical: bool) -> None:
        self.k = k
        self.canonical = canonical
        self._room = np.empty((5, 0), np.uint64)

    def rows(self, held: Packed, offsets: Iterable[int] = range(PER_WORD)) -> Iterator[Keys]:
        """The windows that begin at the j-th letters of all words, for every j of ``offsets``.

        Yields:
            [words] numbers, ``none(k)`` for windows across a break; they last until the next one.
        """
        k, size = self.k, len(held.words) - 1
        if self._room.shape[1] < size + 1:
            self._room = np.empty((5, size + 1), np.uint64)
        # The spare cell of a row takes what is written for windows that do not exist.
        row, part, others, back = self._room[:4, : size + 1]
        bits, mask = 64 - 2 * k, np.uint64(4**k - 1)
        if self.canonical:
            back[:] = reverse_complement(held.words, PER_WORD)
        for offset in offsets:
            shift, within = 2 * offset, offset <= PER_WORD - k
            keys = row[:size]
            np.left_shift(held.words[:-1], np.uint64(shift), out=keys)
            if not within:
                keys |= np.right_shift(held.words[1:], np.uint64(64 - shift), out=part[:size])
            keys >>= np.uint64(bits)
            if self.canonical:
                other = np.right_shift(back[:-1], np.uint64(shift), out=others[:size])
                if not within:
                    other |= np.left_shift(back[1:], np.uint64(64 - shift), out=part[:size])
                other &= mask
                np.minimum(keys, other, out=keys)
            row[_across(held.breaks, offset, k, size)] = none(k)
            yield keys


def _across(breaks: Places, offset: int, k: int, size: int) -> Places:
    """The words whose window from ``offset`` on holds a break; ``size`` stands for none."""
    before = (breaks - offset) & (PER_WORD - 1)
    return np.where((before < k) & (breaks >= before), (breaks - before) >> 5, size)


@cache
def _spellings(letters: bytes) -> npt.NDArray[np.uint32]:
    """Four letters for every number of them, as they lie in memory."""
    digits = np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3
    spelled: npt.NDArray[np.uint8] = np.frombuffer(letters, np.uint8)[digits]
    return spelled.view(np.uint32)[:, 0]


def spell(numbers: Keys, k: int, letters: bytes) -> npt.NDArray[np.uint8]:
    """The letters of k-mers, [len(numbers), k] bytes."""
    if k < 4 or not len(numbers):
        digits = numbers[:, None] >> (2 * np.arange(k - 1, -1, -1, dtype=np.uint64)) & np.uint64(3)
        return np.frombuffer(letters, np.uint8)[digits.astype(np.intp)]
    table = _spellings(letters)
    out = np.empty(len(numbers) * k + 4, np.uint8)
    # Four letters at once; the last four may overlap those before.
    for place in [*range(0, k - 4, 4), k - 4]:
        fours = numbers >> np.uint64(2 * (k - 4 - place)) & np.uint64(255)
        np.ndarray(len(numbers), "u4", out, place, (k,))[:] = table[fours.view(np.int64)]
    return out[:-4].reshape(-1, k)


def reverse_complement(numbers: Keys, k: int) -> Keys:
    """The numbers of the k-mers of the other strand, letters coded A, C, G, T."""
    x = ~numbers
    for shift, mask in ((2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F)):
        low = np.uint64(mask)
        x = ((x & low) << np.uint64(shift)) | ((x >> np.uint64(shift)) & low)
    return x.byteswap() >> np.uint64(64 - 2 * k)
