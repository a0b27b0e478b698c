"""glibc's allocator, settled so that a tensor fits where the last one of its size was.

torch asks for addresses that are multiples of 64. glibc cuts what is over at both ends off as
slivers of 32 to 96 bytes, keeps them in two caches of its own, and hands them to the next small
objects. Where such an object stays, what is left between two of them is too small for another
tensor of the same size, and the heap grows to two or three times what is alive. So: no caches, and
small objects have rooms of their own. It takes no time, and pages that are not there need not be
faulted in.

The cache of a thread can only be left out when a process begins; ``begin_anew`` does that.

What it is worth, as the peak of ``pretrain`` in MiB (four steps of cells 0, 37 and 40 of
tests/benchmarks/bench_memory.py), with what else was tried in its place:

    all of this                               842   598   770
    no new beginning, rooms for small objects 952   839   956
    settings of ``settle`` alone              953   838  1002
    tensors from 4 MiB on in maps of their own 911   628   689, and 16, 75 and 52% more time

The share of holes without it is from 13 to 40% of the whole process, and no one margin would plan
it to within 15%; with it plans differ from peaks by 6% at most (seven cells).
"""

import array
import ctypes
import functools
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

_VARIABLE, _NO_CACHE = "GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"
#: Numbers of glibc's settings, and values: freed memory is kept in one heap, there are no bins for
#: quick reuse, which would not be joined with their neighbours.
_MALLOPT = {"M_MMAP_MAX": (-4, 0), "M_TRIM_THRESHOLD": (-1, 2**31 - 1), "M_MXFAST": (1, 0)}
#: Sizes of small objects with their header, and the bytes of room that each of them has.
_SMALL, _ROOM = range(32, 1056, 16), 128 * 1024
_HEADER, _WALL = 8, 24
#: torch's.
_ALIGNMENT = 64


class _Info(ctypes.Structure):
    """``struct mallinfo2``."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


def begin_anew() -> None:
    """Start the process again without caches of threads, where it has them; keeps its number."""
    asked = os.environ.get(_VARIABLE, "")
    if _library() is None or "tcache_count" in asked or not sys.executable:
        return
    os.environ[_VARIABLE] = f"{asked}:{_NO_CACHE}".lstrip(":")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def settle() -> dict[str, int]:
    """Keep freed memory, and join it; the settings that glibc took, by name.

    Giving memory back and faulting it in again at every step costs more than the arithmetic of a
    small model.
    """
    library = _library()
    if library is None:
        return {}
    return {n: value for n, (number, value) in _MALLOPT.items() if library.mallopt(number, value)}


def make_rooms() -> None:
    """Free places for small objects, each between two walls, which are taken before others.

    For the work that comes next: what is loaded later would fill them up.
    """
    library = _library()
    if library is None:
        return
    rooms = []
    for size in _SMALL:
        for _ in range(_ROOM // size):
            rooms.append(library.malloc(size - _HEADER))
            library.malloc(_WALL)
    for room in rooms:
        library.free(room)


def heap() -> tuple[int, int]:
    """Bytes of the heap, and those that are used; zeros where there is no glibc, or an old one."""
    library = _library()
    if library is None or not hasattr(library, "mallinfo2"):
        return 0, 0
    told = library.mallinfo2()
    return told.arena, told.uordblks


def growth(courses: Sequence[Iterable[int]]) -> list[int]:
    """How far the heap of a fresh process grows, in bytes, for each of several courses.

    The allocator itself is asked, in a process whose pages are never touched. A number n >= 0
    takes so many bytes; -1 - i frees what the i-th taking took. -1 stands for a course that the
    system refuses, or all of them where ``heap`` tells nothing.
    """
    if not heap()[0]:
        return [-1] * len(courses)
    told = []
    for course in courses:
        asked = subprocess.run(
            [sys.executable, "-I", __file__],
            input=array.array("q", course).tobytes(),
            env={**os.environ, _VARIABLE: _NO_CACHE},
            stdout=subprocess.PIPE,
            check=True,
        )
        told.append(int(asked.stdout))
    return told


def _follow(course: Iterable[int]) -> int:
    """What ``growth`` asks of another process."""
    library = _library()
    assert library is not None
    settle()
    make_rooms()
    before = heap()[0]
    held: dict[int, int | None] = {}
    place, taken = ctypes.c_void_p(), 0
    for number in course:
        if number < 0:
            library.free(held.pop(-1 - number))
            continue
        if library.posix_memalign(ctypes.byref(place), _ALIGNMENT, number):
            return -1
        held[taken] = place.value
        taken += 1
    return heap()[0] - before


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The C library, where it is a glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        return None
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.posix_memalign.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    if hasattr(library, "mallinfo2"):
        library.mallinfo2.restype = _Info
    return library


if __name__ == "__main__":
    given = array.array("q")
    given.frombytes(sys.stdin.buffer.read())
    sys.stdout.write(str(_follow(given)))
