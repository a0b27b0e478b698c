"""CRC-32 of files: whether what is read is what was written."""

import zlib
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def of_file(path: Path, size: int | None = None) -> int:
    """Of a file, or of its first ``size`` bytes.

    It is read and not mapped, so that it does not count as memory of the process.
    """
    value = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES if size is None else min(_BLOCK_BYTES, size)):
            value = zlib.crc32(block, value)
            size = None if size is None else size - len(block)
    return value
