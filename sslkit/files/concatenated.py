"""Compressed files of several streams one behind the other, as ``cat`` and parallel tools write."""

import io
from collections.abc import Callable
from typing import IO, Any, Protocol

_READ = 1 << 16


class Decoder(Protocol):
    """Decompresses one stream, as those of ``bz2`` and ``lzma``."""

    @property
    def eof(self) -> bool:
        """Whether its end was met."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without further data."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What stands behind its end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Some of the content; what is not needed yet is kept."""
        ...


class Reader(io.RawIOBase):
    """The content of all streams of a file; zeros between and behind them are padding.

    Raises:
        EOFError: the last stream has no end, or what stands behind one is no stream.
    """

    def __init__(self, stream: IO[bytes], make: Callable[[], Decoder], magic: bytes) -> None:
        super().__init__()
        self._stream, self._make, self._magic = stream, make, magic
        self._decoder: Decoder | None = None
        self._waiting = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with what there is; 0 at the end."""
        while self._decoder is not None or self._begin():
            assert self._decoder is not None
            data, self._waiting = self._waiting, b""
            if self._decoder.needs_input and not data and not (data := self._stream.read(_READ)):
                raise EOFError("it ends before the end of a stream")
            content = self._decoder.decompress(data, len(buffer))
            if self._decoder.eof:
                self._waiting, self._decoder = self._decoder.unused_data, None
            if content:
                buffer[: len(content)] = content
                return len(content)
        return 0

    def _begin(self) -> bool:
        """Whether another stream begins; passes over the padding before it."""
        while len(self._waiting) < len(self._magic):
            more = self._stream.read(_READ)
            self._waiting = (self._waiting + more).lstrip(b"\0")
            if not more:
                break
        self._waiting = self._waiting.lstrip(b"\0")
        if not self._waiting:
            return False
        if not self._waiting.startswith(self._magic):
            raise EOFError(f"what stands behind a stream is none: {self._waiting[:20]!r}")
        self._decoder = self._make()
        return True
