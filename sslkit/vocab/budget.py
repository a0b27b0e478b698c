"""How a budget of memory is spent, and what was really used."""

import ctypes
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sslkit.errors import ResourceError
from sslkit.machine import sizes

#: Interpreter, libraries, a block in all its forms, the writer of the table.
BASE = 176 << 20
#: numba, and what it compiled.
COMPILED = 128 << 20
#: Larger buffers gain nothing: the processor's caches are far smaller anyway.
MOST = 1 << 30
LEAST = 64 << 20
#: Below this, every megabyte counts.
TIGHT = 512 << 20
_ARENA_MAX = -8
#: A useful share of memory for one of several threads.
LANE = 128 << 20
_BLOCKS = 32 << 20
_LARGEST_KEPT = 16 << 20
_KEPT = 64 << 20


@dataclass(frozen=True)
class Plan:
    """Bytes that may be used.

    Attributes:
        total: by everything.
        counts: for what is counted, sorted and merged.
        rest: by the program, and for decompressing.
        compiled: whether compiled loops are loaded.
    """

    total: int
    counts: int
    rest: int
    compiled: bool

    @property
    def planned(self) -> int:
        """The peak that is to be expected."""
        return self.rest + self.counts


def plan(total: int, compiled: bool = False, windows: int = 0) -> Plan:
    """Divide a budget.

    Args:
        windows: bytes that decompressing the corpus takes.

    Raises:
        ResourceError: nothing useful is left for counts.
    """
    used = BASE + windows + (COMPILED if compiled else 0)
    if total < used + LEAST:
        more = f", and decompressing the corpus {sizes.show(windows)}" if windows else ""
        raise ResourceError(
            f"--mem {sizes.show(total)} is too little",
            why=f"the program itself takes {sizes.show(BASE)} of it{more}",
            do=f"allow at least {sizes.show(used + LEAST)}",
        )
    return Plan(total, min(total - used, MOST), used, compiled)


def lanes(planned: Plan, threads: int) -> int:
    """How many threads may count at once with a useful share of memory each."""
    return max(1, min(threads, planned.counts // LANE))


def share(planned: Plan, count: int) -> int:
    """Bytes for the counts of one of several threads; one block is part of the base."""
    return planned.counts // count - (_BLOCKS if count > 1 else 0)


def tighten(planned: Plan) -> None:
    """Have memory managed without waste where the budget is small, for this whole process.

    Arrow's own pool keeps what was freed, and every thread of glibc has a heap of its own, which
    comes to 50 MiB of 256. Without them, Arrow's kernels take about a third longer.
    """
    if planned.total >= TIGHT:
        return
    pa.set_memory_pool(pa.system_memory_pool())
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:  # which only glibc has
        option(_ARENA_MAX, 1)


def settle() -> None:
    """Give memory back that is free but kept for later, before work of another kind begins."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # which only glibc has
        trim(0)


def keep_memory() -> None:
    """Have this process keep what blocks of work need and free over and over.

    glibc would give it back each time, and fault it in again: a quarter of the time of a count.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        trim_threshold, mmap_threshold, arenas = -1, -3, -8
        mallopt(arenas, 1)
        mallopt(mmap_threshold, _LARGEST_KEPT)
        mallopt(trim_threshold, _KEPT)


def peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text("ascii", "replace").splitlines()
        held = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        if held:
            return int(held[0]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
