"""Zstandard streams: Python's own module from 3.14 on, its backport (extra ``zstd``) before."""

import importlib
import io
import sys
from pathlib import Path
from typing import IO, Any

from sslkit.errors import UsageError

_MODULE = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def is_skippable(head: bytes) -> bool:
    """Whether a frame without content begins so, as pzstd writes them (RFC 8878, 3.1.2)."""
    return head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


class Reader(io.RawIOBase):
    """The content of a compressed stream of one frame or several.

    Raises:
        EOFError: a frame is damaged or lacks its end.
    """

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__()
        self._package = _package(path)
        self._file = self._package.ZstdFile(stream)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with what there is; 0 at the end."""
        try:
            return int(self._file.readinto(buffer))
        except self._package.ZstdError as error:
            raise EOFError(str(error)) from error


def _package(path: Path) -> Any:
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        raise UsageError(
            "zstd files need an extra package", where=str(path), do="pip install 'sslkit[zstd]'"
        ) from error
