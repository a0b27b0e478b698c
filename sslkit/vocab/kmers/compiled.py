"""The innermost loops over k-mers, compiled by numba (extra ``fast``), for large corpora.

They count what ``dense`` and ``ranges`` count without them; up to k = 9 those are as fast. Loading
takes a second and ``budget.COMPILED`` bytes, and the first run on a machine compiles for some
seconds.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from sslkit.vocab.kmers import pack
from sslkit.vocab.kmers.dense import Cells
from sslkit.vocab.kmers.pack import PER_WORD, Keys, Packed, Places, Windows

_BUCKETS = 256
_ROOM = 1 << 15


def _compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """A loop as machine code, kept on disk where there is a place for it."""
    try:
        made: Callable[..., Any] = numba.njit(nogil=True, cache=True)(loop)
    except RuntimeError:
        made = numba.njit(nogil=True)(loop)
    return made


def inside(held: Packed, windows: Windows, low: int, high: int, out: Keys) -> int:
    """Write the windows with ``low <= number < high`` to ``out``, in the order of the letters.

    Args:
        out: room for more than ``held.letters`` numbers.

    Returns:
        how many there are.
    """
    words, canonical = held.words, windows.canonical
    others = pack.reverse_complement(words, PER_WORD) if canonical else words
    span = np.uint64(high - low)
    return _inside(words, others, held.breaks, windows.k, canonical, np.uint64(low), span, out)


class Table(Cells):
    """Counts k-mers of more than four letters in a table larger than the processor's cache.

    They wait in buckets by their first four letters until a bucket is full, so that the cells of
    one bucket are gone to in a row.
    """

    def __init__(self, k: int, canonical: bool, memory: int) -> None:
        super().__init__(k, canonical)
        room = min(max((memory - self.counts.nbytes) // (2 * _BUCKETS), 64), _ROOM)
        self._waiting = np.empty((_BUCKETS, room), np.uint16)
        self._sizes = np.zeros(_BUCKETS, np.int64)

    def add(self, held: Packed) -> None:
        """Count the windows of some letters."""
        super().add(held)
        _add(held.words, held.breaks, self.k, self.counts, self._waiting, self._sizes)

    def flush(self) -> None:
        """Count what waits."""
        _empty(self.k, self.counts, self._waiting, self._sizes)


def _letters_at(words: Keys, place: int) -> np.uint64:
    """The 32 letters from a place on."""
    word, shift = place >> 5, np.uint64(2 * (place & 31))
    behind = words[word + 1] >> np.uint64(1) >> (np.uint64(63) - shift)
    found: np.uint64 = (words[word] << shift) | behind
    return found


def _inside_loop(
    words: Keys,
    others: Keys,
    breaks: Places,
    k: int,
    canonical: bool,
    low: np.uint64,
    span: np.uint64,
    out: Keys,
) -> int:
    one, last = np.uint64(1), np.uint64(63)
    bits = np.uint64(64 - 2 * k)
    mask = (one << np.uint64(2 * k)) - one
    start = size = 0
    for stop in breaks:
        for place in range(start, stop - k + 1):
            key = _letters(words, place) >> bits
            if canonical:
                word, shift = place >> 5, np.uint64(2 * (place & 31))
                other = (others[word] >> shift) | (others[word + 1] << one << (last - shift))
                key = min(key, other & mask)
            # Always written and counted where it belongs: a branch would be predicted wrongly.
            out[size] = key
            size += int(key - low < span)
        start = stop + 1
    return size


def _add_loop(
    words: Keys,
    breaks: Places,
    k: int,
    counts: npt.NDArray[np.uint32],
    waiting: npt.NDArray[np.uint16],
    sizes: npt.NDArray[np.int64],
) -> None:
    one, bits, low = np.uint64(1), np.uint64(64 - 2 * k), np.uint64(2 * k - 8)
    mask = (one << low) - one
    room = waiting.shape[1]
    start = 0
    for stop in breaks:
        for place in range(start, stop - k + 1):
            key = _letters(words, place) >> bits
            bucket = key >> low
            size = sizes[bucket]
            waiting[bucket, size] = np.uint16(key & mask)
            size += 1
            if size == room:
                cells = counts[bucket << low : (bucket + one) << low]
                for cell in waiting[bucket]:
                    cells[cell] += np.uint32(1)
                size = 0
            sizes[bucket] = size
        start = stop + 1


def _empty_loop(
    k: int,
    counts: npt.NDArray[np.uint32],
    waiting: npt.NDArray[np.uint16],
    sizes: npt.NDArray[np.int64],
) -> None:
    low = 2 * k - 8
    for bucket in range(len(sizes)):
        cells = counts[bucket << low : (bucket + 1) << low]
        for cell in waiting[bucket, : sizes[bucket]]:
            cells[cell] += np.uint32(1)
        sizes[bucket] = 0


_letters: Callable[..., np.uint64] = _compiled(_letters_at)
_inside: Callable[..., int] = _compiled(_inside_loop)
_add: Callable[..., None] = _compiled(_add_loop)
_empty: Callable[..., None] = _compiled(_empty_loop)
