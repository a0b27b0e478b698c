"""Merging sorted runs, block by block, in array operations.

The next block of every run is loaded; all keys up to the smallest of their last keys (the
cut-off) cannot occur in what is still on disk, so they are grouped at once. No heap, and no
Python step per key.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sslkit.vocab import runs
from sslkit.vocab.runs import Counts, Keys, Run

#: Blocks shorter than this cost more in file accesses than they save in memory.
SMALLEST_BLOCK = 4096
#: Bytes of working memory per loaded row: key, count, and both again while they are grouped.
ROW_BYTES = 56


class _Cursor:
    """Where a merge stands in one run."""

    def __init__(self, run: Run, rows: int) -> None:
        self._run = run
        self._rows = rows
        self._next = 0
        self._keys, self._counts = run.read(0, 0)

    def load(self) -> bool:
        """Have a block at hand; False at the end of the run."""
        if not len(self._keys) and self._next < self._run.rows:
            self._keys, self._counts = self._run.read(self._next, self._rows)
            self._next += len(self._keys)
        return len(self._keys) > 0

    @property
    def more(self) -> bool:
        return self._next < self._run.rows

    @property
    def last(self) -> np.uint64:
        return np.uint64(self._keys[-1])

    def take(self, cut: np.uint64) -> tuple[Keys, Counts]:
        """Take out everything up to and with ``cut``."""
        end = int(np.searchsorted(self._keys, cut, side="right"))
        taken = self._keys[:end], self._counts[:end]
        self._keys, self._counts = self._keys[end:], self._counts[end:]
        return taken


def merge(found: Sequence[Run], memory: int) -> Iterator[tuple[Keys, Counts]]:
    """The keys of all runs in order, each once, with the sums of their counts.

    Args:
        found: runs; no more than ``fan_in(memory)``.
        memory: bytes to work in.
    """
    rows = max(SMALLEST_BLOCK, memory // ROW_BYTES // max(len(found), 1))
    open_cursors = [_Cursor(run, rows) for run in found]
    while open_cursors := [cursor for cursor in open_cursors if cursor.load()]:
        going_on = [cursor.last for cursor in open_cursors if cursor.more]
        cut = min(going_on) if going_on else max(cursor.last for cursor in open_cursors)
        taken = [cursor.take(cut) for cursor in open_cursors]
        taken = [(keys, counts) for keys, counts in taken if len(keys)]
        if len(taken) == 1:
            yield taken[0]
        else:
            yield group(
                np.concatenate([keys for keys, _ in taken]),
                np.concatenate([counts for _, counts in taken]),
            )


def group(keys: Keys, counts: Counts) -> tuple[Keys, Counts]:
    """Sort rows by key and add up the counts of equal keys."""
    # Stable: what is concatenated are sorted pieces, which timsort merges and does not re-sort.
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first], np.add.reduceat(counts[order], first)


def fan_in(memory: int) -> int:
    """How many runs can be merged at once."""
    return max(2, memory // (ROW_BYTES * SMALLEST_BLOCK))


def reduce(found: list[Run], folder: Path, memory: int, check: Callable[[], None]) -> list[Run]:
    """Merge runs into longer ones until the rest can be merged at once."""
    number = 0
    while len(found) > fan_in(memory):
        some, rest = found[: fan_in(memory)], found[fan_in(memory) :]
        check()
        merged = runs.write(folder / f"merged-{number:06d}", merge(some, memory), {})
        number += 1
        for run in some:
            run.remove()
        found = [*rest, merged]
    return found
