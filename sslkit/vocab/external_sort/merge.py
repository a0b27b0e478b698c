"""Merging sorted runs, block by block, in array operations.

The next block of every run is loaded; all keys up to the smallest of their last keys (the
cut-off) cannot occur in what is still on disk, so they are grouped at once. No heap, and no
Python step per key.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sslkit.vocab.external_sort.keys import Column, Counts, Kind, group
from sslkit.vocab.external_sort.runs import Run, check_sum

#: Blocks shorter than this cost more in file accesses than they save in memory.
SMALLEST_BLOCK = 1024
#: Bytes of working memory per loaded row: key, count, and both again while they are grouped.
ROW_BYTES = 96
_MOST_ROWS = 1 << 20


class _Cursor:
    """Where a merge stands in one run."""

    def __init__(self, run: Run, rows: int, most: int) -> None:
        self._run = run
        self._most = most
        self._kind = run.kind
        self._rows = rows
        self._next = 0
        self._column: Column = None
        self._counts: Counts = np.empty(0, np.int64)

    def load(self) -> bool:
        """Have a block at hand; False at the end of the run."""
        if not len(self._counts) and self._next < self._run.rows:
            self._column, self._counts = self._run.read(self._next, self._rows, self._most)
            self._next += len(self._counts)
        return len(self._counts) > 0

    @property
    def more(self) -> bool:
        return self._next < self._run.rows

    @property
    def last(self) -> Any:
        return self._kind.last(self._column)

    def take(self, key: Any) -> tuple[Column, Counts]:
        """Take out everything up to and with ``key``."""
        end, rows = self._kind.upto(self._column, key), len(self._counts)
        taken = self._kind.cut(self._column, 0, end), self._counts[:end]
        self._column = self._kind.cut(self._column, end, rows)
        self._counts = self._counts[end:]
        return taken


def merge(found: Sequence[Run], memory: int) -> Iterator[tuple[Column, Counts]]:
    """The keys of all runs in order, each once, with the sums of their counts.

    Args:
        found: runs of one kind, no more than ``fan_in(memory)``.
        memory: bytes to work in.

    Raises:
        DataError: counts too large to be added up.
    """
    if not found:
        return
    kind = found[0].kind
    rows = max(SMALLEST_BLOCK, min(memory // ROW_BYTES, _MOST_ROWS) // len(found))
    cursors = [_Cursor(run, rows, memory // 8 // len(found)) for run in found]
    while cursors := [cursor for cursor in cursors if cursor.load()]:
        going_on = [cursor.last for cursor in cursors if cursor.more]
        key = min(going_on) if going_on else max(cursor.last for cursor in cursors)
        # Nothing of this is held on to while the caller works with what comes of it.
        yield _together(kind, [cursor.take(key) for cursor in cursors])


def _together(kind: Kind, taken: list[tuple[Column, Counts]]) -> tuple[Column, Counts]:
    held = [(column, counts) for column, counts in taken if len(counts)]
    if len(held) == 1:
        return held[0]
    counts = np.concatenate([counts for _, counts in held])
    check_sum(counts)
    return group(kind, kind.join([column for column, _ in held]), counts)


def fan_in(memory: int) -> int:
    """How many runs can be merged at once."""
    return max(2, memory // (ROW_BYTES * SMALLEST_BLOCK))
