"""Counting k-mers: a table of all of them where it is small, sorted key ranges where it is not.

Longer k-mers are not gathered as they come: letters take 2 bits and a k-mer 64. The letters are
kept, and when the memory is full their k-mers are made, sorted and counted one range of keys
after the other, each as large as the memory allows. So a spill covers many times more of the
corpus than keys that fit into memory, and most corpora need no merging at all.
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sslkit.vocab.external_sort import runs
from sslkit.vocab.external_sort.keys import Column, Counts, Words
from sslkit.vocab.external_sort.runs import Run
from sslkit.vocab.kmers import pack
from sslkit.vocab.kmers.dense import Table
from sslkit.vocab.kmers.pack import Packed
from sslkit.vocab.kmers.ranges import Ranges
from sslkit.vocab.scheme import BREAK, Codes

KIND = Words(1)
#: Longest k-mers that are counted in a table of 4^k cells (64 MiB).
TABLE_K = 12
#: Codes that are counted at once, at least.
_GATHERED = 1 << 18
_END = np.full(1, BREAK, np.uint8)


def have_compiled() -> bool:
    """Whether the extra ``fast`` is installed."""
    return importlib.util.find_spec("numba") is not None


class Store(Protocol):
    """Where k-mers are added up until they must be written down."""

    def room(self) -> int:
        """How many letters may be added before ``chunks`` must be asked for."""
        ...

    def add(self, held: Packed) -> None:
        """Count the windows of some letters."""
        ...

    def chunks(self, check: Callable[[], None]) -> Iterator[tuple[Column, Counts]]:
        """What was counted, sorted; the store is empty afterwards. ``check`` may end this."""
        ...


class Counter:
    """Counts the k-mers of streams of codes within a number of bytes.

    Args:
        k: letters per k-mer.
        canonical: count a k-mer and its reverse complement as the smaller of the two.
        memory: bytes for what is counted; a block of the stream comes on top.
        block: most codes that ``add`` is given at once.
        compiled: whether to count with compiled loops, where ``have_compiled``.
        threads: how many may count at once.
    """

    def __init__(
        self,
        k: int,
        canonical: bool,
        memory: int,
        block: int,
        compiled: bool = False,
        threads: int = 1,
    ) -> None:
        self._k = k
        # Letters are rounded up to whole words.
        self._block = block + 2 * pack.PER_WORD
        loops = importlib.import_module("sslkit.vocab.kmers.compiled") if compiled else None
        most = self._block + _GATHERED
        self._store: Store
        if k > TABLE_K:
            inside = loops.inside if loops else None
            self._store = Ranges(k, canonical, memory, most, inside, threads)
        elif loops:
            self._store = loops.Table(k, canonical, memory)
        else:
            self._store = Table(k, canonical, memory, most)
        self._held: list[Codes] = []
        self._size = 0

    def full(self) -> bool:
        """Whether ``write`` must come before the next ``add``."""
        return self._store.room() < self._size + self._block

    def add(self, codes: Codes) -> None:
        """Count the k-mers of more codes; those that reach into the next ones wait for them."""
        self._held.append(codes)
        self._size += len(codes)
        if self._size >= _GATHERED:
            self._count()

    def end(self) -> None:
        """The stream ends here; another one may follow."""
        self.add(_END)

    def _count(self) -> None:
        """Count what was gathered, so that many small files cost no more than a large one."""
        codes = np.concatenate(self._held) if self._held else _END
        if len(codes) >= self._k:
            self._store.add(pack.packed(codes))
            codes = codes[len(codes) - self._k + 1 :].copy()
        self._held, self._size = [codes], len(codes)

    def write(self, stem: Path, check: Callable[[], None]) -> list[Run]:
        """Write down everything counted, and forget it; ``check`` may end this."""
        self._count()
        run = runs.write_run(stem, KIND, self._store.chunks(check))
        return [run] if run.rows else []

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs besides what was written."""
        return {"rest": [int(code) for codes in self._held for code in codes]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after ``write`` in another process."""
        self._held = [np.array(state["rest"], np.uint8)]
        self._size = len(self._held[0])
