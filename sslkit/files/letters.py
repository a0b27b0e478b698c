"""The letters of a sequence as they are read: short ones in memory, long ones in a file."""

import io
import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from sslkit.files import atomic, longest

#: Letters beyond which a sequence goes into a file, where the reader can read it from there.
LONG = 1 << 23
_BLOCK = 1 << 22


class Letters:
    """The letters of a long sequence, in a file without a name that is gone with the object."""

    def __init__(self) -> None:
        with atomic.writing(atomic.scratch(), "set TMPDIR to a folder with more room"):
            self._file, name = tempfile.mkstemp(prefix="sslkit-", dir=atomic.scratch())
        Path(name).unlink()
        weakref.finalize(self, os.close, self._file)
        self._size = 0

    def write(self, text: bytes) -> None:
        """Add letters.

        Raises:
            ResourceError: there is no room for them.
        """
        self._size += len(text)
        left = memoryview(text)
        while left:
            with atomic.writing(atomic.scratch(), "set TMPDIR to a folder with more room"):
                left = left[os.write(self._file, left) :]

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        pieces = []
        while start < stop and (piece := os.pread(self._file, stop - start, start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)


def blocks(letters: "bytes | Letters") -> Iterator[bytes]:
    """Letters in stretches of a few megabytes."""
    if isinstance(letters, bytes):
        yield letters
        return
    for start in range(0, len(letters), _BLOCK):
        yield letters[start : start + _BLOCK]


class Gathering:
    """The letters of one record as they come.

    Args:
        spool: whether a long sequence goes into a file; otherwise it may be as long as
            ``longest.most`` says, and what comes behind that is dropped.
    """

    def __init__(self, *, spool: bool = False) -> None:
        self._held = io.BytesIO()
        self._file: Letters | None = None
        self._spool = spool
        self._most = min(LONG, longest.most()) if spool else longest.most()
        self.is_too_long = False

    def write(self, text: bytes) -> None:
        """Add letters."""
        if self._file is not None:
            self._file.write(text)
        elif not self.is_too_long:
            self._held.write(text)
            if self._held.tell() > self._most:
                self._leave_memory()

    def value(self) -> "bytes | Letters":
        """All letters; none of a record that is too long."""
        return self._held.getvalue() if self._file is None else self._file

    def _leave_memory(self) -> None:
        if self._spool:
            self._file = Letters()
            self._file.write(self._held.getvalue())
        else:
            self.is_too_long = True
        self._held = io.BytesIO()
