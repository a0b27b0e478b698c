"""Counting long k-mers range by range of their keys, from letters held in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from sslkit.vocab.external_sort.buffer import distinct
from sslkit.vocab.external_sort.keys import Column, Counts, Words, group
from sslkit.vocab.kmers.pack import PER_WORD, Keys, Packed, Windows

Inside = Callable[[Packed, Windows, int, int, Keys], int]

_KIND = Words(1)
#: The part of the memory that letters may take. The more there are, the less room is left for keys
#: and the more often letters are gone through; 16 times with a third, as long as a merge takes.
_LETTERS = 3
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
        threads: how many ranges are gone through at once.
    """

    def __init__(
        self,
        k: int,
        canonical: bool,
        memory: int,
        block: int,
        inside: Inside | None = None,
        threads: int = 1,
    ) -> None:
        self._k = k
        self._canonical = canonical
        self._top = 4**k
        self._threads = threads
        self._windows = Windows(k, canonical)
        self._inside = inside
        self._bytes = max(memory // _LETTERS, 8 * block)
        self._words = np.empty(self._bytes // 8, np.uint64)
        self._memory = memory
        self._block = block
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
        # At the other end of the same memory: many small arrays of their own, each made while a
        # block of the file is held, would keep the allocator from using its memory again.
        backwards = self._words.view(np.int32)
        end = len(backwards) - self._broken
        breaks = backwards[end - len(held.breaks) : end]
        breaks[:] = held.breaks
        self._parts.append(Packed(words, breaks))
        self._used += len(words)
        self._broken += len(breaks)
        self._letters += held.letters

    def chunks(self, check: Callable[[], None]) -> Iterator[tuple[Column, Counts]]:
        """The k-mers that occurred and how often."""
        sample, each = self._sample()
        threads = self._threads if self._letters > _QUICK else 1
        most = self._letters if threads == 1 else self._letters * 9 // 8 // threads
        free = self._memory - 8 * self._used - 4 * self._broken
        room = min(max(free // 8, self._block) // threads, most)
        desks = [self._desk(room) for _ in range(threads)]
        busy: deque[tuple[_Desk, int, Future[int]]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for number, (low, high) in enumerate(self._bounds(sample, each, room)):
                if self._letters > _QUICK:
                    check()
                if len(busy) == threads:
                    yield from _finished(*busy.popleft())
                desk = desks[number % threads]
                busy.append((desk, high, pool.submit(desk.gather, low, high)))
            while busy:
                yield from _finished(*busy.popleft())
        self._empty()

    def _desk(self, size: int) -> "_Desk":
        room = np.empty(size, np.uint64)
        return _Desk(self._parts, Windows(self._k, self._canonical), room, self._inside)

    def _bounds(self, sample: Keys, each: float, room: int) -> Iterator[tuple[int, int]]:
        """Ranges whose keys take up so much room, by the sample."""
        low = 0
        while low < self._top:
            place = int(np.searchsorted(sample, np.uint64(low))) + int(_FILL * room / each)
            if room >= self._letters or place >= len(sample):
                high = self._top
            else:
                high = max(int(sample[place]), low + 1)
            yield low, high
            low = high

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


class _Desk:
    """Where one thread works: room for keys, and what else it writes to."""

    def __init__(
        self, parts: Sequence[Packed], windows: Windows, room: Keys, inside: Inside | None
    ) -> None:
        self.room = room
        self._parts = parts
        self._windows = windows
        self._inside = inside
        self._size = 0
        self._heavy: dict[int, int] = {}

    def gather(self, low: int, high: int) -> int:
        """Have the keys from ``low`` to before ``high``, sorted, or to before what is returned.

        Where more keys come than the sample made expect, the highest ones are left for later.
        """
        room, size = self.room, 0
        self._heavy = {}
        for part in self._parts:
            if self._inside is not None and len(room) - size > part.letters:
                size += self._inside(part, self._windows, low, high, room[size:])
                continue
            for row in self._windows.rows(part):
                inside = row - np.uint64(low) < np.uint64(high - low)
                some = int(np.count_nonzero(inside))
                if some > len(room) - size:
                    size, high = _fewer(room[:size], high, self._heavy)
                    inside = row - np.uint64(low) < np.uint64(high - low)
                    some = int(np.count_nonzero(inside))
                np.compress(inside, row, out=room[size : size + some])
                size += some
        room[:size].sort()
        self._size = size
        return high

    def counts(self) -> Iterator[tuple[Column, Counts]]:
        """The keys, each once, and how many of each there were."""
        return _with(self._heavy, distinct(self.room[: self._size]))


def _finished(desk: _Desk, high: int, reached: Future[int]) -> Iterator[tuple[Column, Counts]]:
    """The counts of a range, however often its keys were too many."""
    place = reached.result()
    yield from desk.counts()
    while place < high:
        place = desk.gather(place, high)
        yield from desk.counts()


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
