"""Parts of a corpus that are counted apart: whole files, or stretches of plain ones.

A stretch begins and ends where no token reaches across, as the scheme says. The parts of a
division hold every byte once, whoever counts them and in which order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslkit.errors import UsageError
from sslkit.files import pipes

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Part:
    """A file, or the bytes of it from ``start`` to ``end``; None is its end."""

    path: Path
    start: int = 0
    end: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole file."""
        return not self.start and (self.end is None or self.bytes >= self.path.stat().st_size)

    @property
    def bytes(self) -> int:
        """Its length."""
        return (self.path.stat().st_size if self.end is None else self.end) - self.start


def divide(
    paths: Sequence[Path], mark: Callable[[Path], bytes], number: int, count: int
) -> list[Part]:
    """One of several shares of a corpus, of about equal size.

    Args:
        mark: gives the bytes behind whose first one a file may be divided: a line feed, or a line
            feed and what begins a record; empty where it cannot be.
        number: the share, from 1.
        count: how many shares there are.

    Raises:
        UsageError: standard input or a pipe, which cannot be divided.
    """
    if count == 1:
        return [Part(path) for path in paths]
    if any(map(pipes.is_pipe, paths)):
        raise UsageError("standard input and pipes cannot be divided", do="name files")
    total = sum(path.stat().st_size for path in paths)
    low, high = total * (number - 1) // count, total * number // count
    found = []
    at = 0
    for path in paths:
        size = path.stat().st_size
        if not (held := mark(path)):
            if low <= at < high or (at == high == total):
                found.append(Part(path))
        elif at < high and at + size > low:
            start = border(path, max(low - at, 0), held)
            end = border(path, min(high - at, size), held)
            if start < end:
                found.append(Part(path, start, end))
        at += size
    return found


def border(path: Path, near: int, mark: bytes) -> int:
    """The first place from ``near`` on where a file may be divided."""
    size = path.stat().st_size
    if near <= 0 or near >= size:
        return max(0, min(near, size))
    with path.open("rb") as stream:
        at = near - 1
        stream.seek(at)
        held = b""
        while block := stream.read(_BLOCK):
            held += block
            place = held.find(mark)
            if place >= 0:
                return at + place + 1
            keep = len(mark) - 1
            at += len(held) - keep
            held = held[len(held) - keep :]
    return size
