"""Pieces of bytes, one after the other, as a stream."""

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any


class Pieces(io.RawIOBase):
    """A stream of what an iterator gives; ``bad`` counts what the iterator left out."""

    def __init__(self, pieces: Iterator[bytes], bad: Counter[str] | None = None) -> None:
        super().__init__()
        self._pieces = pieces
        self.bad = Counter() if bad is None else bad
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with what there is; 0 at the end."""
        while not len(self._rest):
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        some = min(len(buffer), len(self._rest))
        buffer[:some] = self._rest[:some]
        self._rest = self._rest[some:]
        return some
