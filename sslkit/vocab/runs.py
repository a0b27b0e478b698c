"""Runs: sorted keys and their counts in files that tell whether they are whole.

A run is three files: ``NAME.keys`` (u64, ascending, each once), ``NAME.counts`` (the narrowest
unsigned type that holds them) and ``NAME.json`` (rows, widths, checksums, and what part of the
corpus is counted in it), which is written last, so that a run without it never was.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sslkit.errors import ResourceError
from sslkit.files import atomic

Keys = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
_WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Run:
    """A whole run on disk.

    Attributes:
        rows: distinct keys.
        width: bytes per count.
        covers: what it counts, as its writer said.
    """

    path: Path
    rows: int
    width: int
    covers: Mapping[str, Any]

    def read(self, start: int, rows: int) -> tuple[Keys, Counts]:
        """Rows from ``start`` on; fewer at the end. Opens and closes its files each time, so
        that there may be more runs than open files."""
        keys = np.fromfile(self.path.with_suffix(".keys"), np.uint64, rows, offset=8 * start)
        counts = np.fromfile(
            self.path.with_suffix(".counts"),
            f"<u{self.width}",
            rows,
            offset=self.width * start,
        )
        return keys, counts.astype(np.int64)

    def remove(self) -> None:
        """Delete it; the file that makes it whole goes first."""
        for suffix in (".json", ".keys", ".counts"):
            self.path.with_suffix(suffix).unlink(missing_ok=True)


def write(path: Path, chunks: Iterable[tuple[Keys, Counts]], covers: Mapping[str, Any]) -> Run:
    """Write a run from sorted chunks.

    Raises:
        ResourceError: the disk is full, or cannot be written to.
    """
    width = 1
    rows = 0
    checks = [0, 0]
    names = [path.with_suffix(".keys"), path.with_suffix(".counts")]
    try:
        with names[0].open("wb") as keys_file, names[1].open("w+b") as counts_file:
            for keys, counts in chunks:
                needed = _width(int(counts.max(initial=0)))
                if needed > width:
                    _widen(counts_file, width, needed)
                    width = needed
                keys_file.write(memoryview(np.ascontiguousarray(keys)))
                counts_file.write(memoryview(counts.astype(f"<u{width}")))
                rows += len(keys)
        checks = [checksum(name) for name in names]
        held = {"rows": rows, "width": width, "checks": checks, "covers": covers}
        atomic.write_text(path.with_suffix(".json"), json.dumps(held))
    except OSError as error:
        raise ResourceError(
            "a temporary file cannot be written",
            where=str(path),
            why=str(error),
            do="free some space, or name another folder with --tmp",
        ) from error
    return Run(path, rows, width, covers)


def _width(largest: int) -> int:
    return next(width for width in _WIDTHS if largest < 256**width)


def _widen(stream: IO[bytes], old: int, new: int) -> None:
    """Rewrite counts in a wider type, from the end backwards in place."""
    rows = stream.tell() // old
    block = 1 << 16
    for start in range((rows - 1) // block * block, -1, -block):
        stream.seek(start * old)
        held = np.frombuffer(stream.read(min(block, rows - start) * old), f"<u{old}")
        stream.seek(start * new)
        stream.write(memoryview(held.astype(f"<u{new}")))
    stream.seek(rows * new)


def checksum(path: Path) -> int:
    """CRC-32 of a file."""
    value = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def find(folder: Path) -> Iterator[Run]:
    """The whole runs of a folder by name; files of damaged ones are removed."""
    for path in sorted(folder.glob("*.json")):
        run = _open(path)
        if run is None:
            Run(path, 0, 1, {}).remove()
        else:
            yield run


def _open(path: Path) -> Run | None:
    try:
        held = json.loads(path.read_text("utf-8"))
        run = Run(path.with_suffix(""), held["rows"], held["width"], held["covers"])
        found = [checksum(path.with_suffix(suffix)) for suffix in (".keys", ".counts")]
        return run if found == held["checks"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
