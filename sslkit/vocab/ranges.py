"""Counting long k-mers range by range of their keys, from letters held in memory."""

from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np

from sslkit.vocab.buffer import distinct
from sslkit.vocab.keys import Column, Counts, Words, group
from sslkit.vocab.pack import PER_WORD, Keys, Packed, Windows

Inside = Callable[[Packed, int, bool, int, int, Keys], int]

_KIND = Words(1)
#: The part of the memory that letters take; the more, the more often they are gone through.
_LETTERS = 6
_SAMPLE = 1 << 18
#: How full a range makes the memory by the sample, which is a little wrong.
_FILL = 0.95
#: So many letters are counted in a few seconds: too little time to be ended in.
_QUICK = 1 << 26


class Ranges:
    """Letters, and the counts of their k-mers when they are asked for.

    Args:
        memory: bytes for letters and keys.
        block: most letters that ``add`` is given at once.
        inside: a faster way to find the k-mers of a range, ``compiled.inside``.
    """

    def __init__(
        self, k: int, canonical: bool, memory: int, block: int, inside: Inside | None = None
    ) -> None:
        self._k = k
        self._canonical = canonical
        self._top = 4**k
        self._windows = Windows(k, canonical)
        self._inside = inside
        self._bytes = max(memory // _LETTERS, 8 * block)
        self._words = np.empty(self._bytes // 8, np.uint64)
        self._keys = max((memory - self._bytes) // 8, block)
        self._empty()

    def _empty(self) -> None:
        self._parts: list[Packed] = []
        self._used = 0
        self._broken = 0
        self._letters = 0

    def room(self) -> int:
        """How many letters may be added, were every other one a break."""
        free = self._bytes - 8 * self._used - 4 * self._broken
        return max(0, free * 4 // 9 - 2 * PER_WORD)

    def add(self, held: Packed) -> None:
        """Keep some letters."""
        words = self._words[self._used : self._used + len(held.words)]
        words[:] = held.words
        self._parts.append(Packed(words, held.breaks))
        self._used += len(words)
        self._broken += len(held.breaks)
        self._letters += held.letters

    def chunks(self, check: Callable[[], None]) -> Iterator[tuple[Column, Counts]]:
        """The k-mers that occurred and how often."""
        sample, each = self._sample()
        keys = np.empty(min(self._keys, self._letters), np.uint64)
        low = 0
        while low < self._top:
            place = int(np.searchsorted(sample, np.uint64(low))) + int(_FILL * len(keys) / each)
            if len(keys) == self._letters or place >= len(sample):
                high = self._top
            else:
                high = max(int(sample[place]), low + 1)
            if self._letters > _QUICK:
                check()
            low = yield from self._range(low, high, keys)
        self._empty()

    def _sample(self) -> tuple[Keys, float]:
        """Some k-mers in order, and for how many windows each of them stands."""
        step = -(-self._used // _SAMPLE)
        found = [np.empty(0, np.uint64)]
        size = 0
        for number, part in enumerate(self._parts):
            for keys in self._windows.rows(part, [13 * number % PER_WORD]):
                some = keys[::step]
                size += len(some)
                found.append(some[some < self._top])
        return np.sort(np.concatenate(found)), max(self._letters / max(size, 1), 1)

    def _range(
        self, low: int, high: int, room: Keys
    ) -> Generator[tuple[Column, Counts], None, int]:
        """Counts of the keys from ``low`` to before ``high``, or to before what is returned.

        Where more keys come than the sample made expect, the highest ones are left for later.
        """
        size = 0
        heavy: dict[int, int] = {}
        for part in self._parts:
            if self._inside is not None and len(room) - size > part.letters:
                size += self._inside(part, self._k, self._canonical, low, high, room[size:])
                continue
            for row in self._windows.rows(part):
                inside = row - np.uint64(low) < np.uint64(high - low)
                some = int(np.count_nonzero(inside))
                if some > len(room) - size:
                    size, high = _fewer(room[:size], high, heavy)
                    inside = row - np.uint64(low) < np.uint64(high - low)
                    some = int(np.count_nonzero(inside))
                np.compress(inside, row, out=room[size : size + some])
                size += some
        room[:size].sort()
        yield from _with(heavy, distinct(room[:size]))
        return high


def _fewer(keys: Keys, high: int, heavy: dict[int, int]) -> tuple[int, int]:
    """Make room among keys: how many are left at the beginning, and the new end of the range.

    A key that fills much of the room goes into ``heavy`` with its count.
    """
    keys.sort()
    middle = keys[len(keys) * 3 // 4]
    start, end = (int(np.searchsorted(keys, middle, side=side)) for side in ("left", "right"))
    if start >= len(keys) // 4:
        high = int(middle)
    else:
        high = int(middle) + 1
        heavy[int(middle)] = heavy.get(int(middle), 0) + end - start
    for key in [key for key in heavy if key >= high]:
        del heavy[key]
    return start, high


def _with(
    heavy: dict[int, int], chunks: Iterable[tuple[Column, Counts]]
) -> Iterator[tuple[Column, Counts]]:
    """Chunks with the counts of some more keys added."""
    for column, counts in chunks:
        some = [key for key in heavy if key <= int(column[0, -1])]
        if some:
            more = np.array([some], np.uint64)
            numbers = np.array([heavy.pop(key) for key in some])
            yield group(_KIND, _KIND.join([column, more]), np.concatenate((counts, numbers)))
        else:
            yield column, counts
    if heavy:
        left = sorted(heavy.items())
        yield np.array([[key for key, _ in left]], np.uint64), np.array([n for _, n in left])
