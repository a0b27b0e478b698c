"""Zstandard streams. The package's own reader takes a file that was cut off for its end."""

import importlib
import io
from pathlib import Path
from typing import IO, Any

from sslkit.errors import UsageError

_CHUNK = 1 << 17


class Reader(io.RawIOBase):
    """The content of a compressed stream of one frame or several.

    Raises:
        EOFError: a frame is damaged or lacks its end.
    """

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__()
        self._stream = stream
        self._package = _package(path)
        self._frame: Any = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with what there is; 0 at the end."""
        while not self._ready:
            waiting = self._frame.unused_data if self._frame and self._frame.eof else b""
            chunk = waiting or self._stream.read(_CHUNK)
            if not chunk:
                if self._frame and not self._frame.eof:
                    raise EOFError("it ends in the middle of a zstd frame")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._package.ZstdDecompressor().decompressobj()
            try:
                self._ready = memoryview(self._frame.decompress(chunk))
            except self._package.ZstdError as error:
                raise EOFError(str(error)) from error
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def _package(path: Path) -> Any:
    try:
        return importlib.import_module("zstandard")
    except ImportError as error:
        raise UsageError(
            "zstd files need an extra package", where=str(path), do="pip install 'sslkit[zstd]'"
        ) from error
