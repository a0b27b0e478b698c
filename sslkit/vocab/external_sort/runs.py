"""Runs and spills: sorted keys and their counts on disk, in files that tell whether they are whole.

A run holds the keys of one kind, ascending and each once, and their counts in the narrowest type
that takes them. A spill is what was written down when the memory was full: a run for each kind
that occurred and a JSON file with rows, widths, checksums and which part of the corpus it covers.
The JSON file is written last; without it, the spill never was.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sslkit.errors import DataError, ResourceError
from sslkit.files import atomic, checksum
from sslkit.vocab.external_sort.keys import KINDS, Column, Counts, Kind

#: The most that counts of one corpus may add up to; twice as much still fits a signed word.
MOST_TOKENS = 2**62
_WIDTHS = (1, 2, 4, 8)
_COUNTS = ".counts"


@dataclass(frozen=True)
class Run:
    """Sorted keys of one kind and their counts.

    Attributes:
        stem: the path of its files without their endings.
        width: bytes per count.
        first: where its rows begin in the files.
    """

    stem: Path
    kind: Kind
    rows: int
    width: int
    first: int = 0

    def read(self, start: int, rows: int, most: int) -> tuple[Column, Counts]:
        """Rows from ``start`` on; fewer at the end, or where keys take more than ``most`` bytes.

        The files are opened and closed each time, so that there may be more runs than a process
        may have open files.
        """
        *keys, counts = self.paths
        place = self.first + start
        column = self.kind.read(keys, place, min(rows, self.rows - start), most)
        rows = self.kind.rows(column)
        held = np.fromfile(counts, f"<u{self.width}", rows, offset=self.width * place)
        check_sum(held)
        return column, held.astype(np.int64)

    def part(self, start: int, end: int) -> "Run":
        """Some of its rows."""
        return replace(self, first=self.first + start, rows=end - start)

    @property
    def paths(self) -> list[Path]:
        """Its files."""
        stem = self.stem.name + "." + self.kind.name
        return [self.stem.with_name(stem + end) for end in (*self.kind.suffixes, _COUNTS)]


@dataclass(frozen=True)
class Spill:
    """Runs that were written together.

    Attributes:
        covers: which part of the corpus is counted in it, in the words of its writer.
    """

    stem: Path
    runs: tuple[Run, ...]
    covers: Mapping[str, Any]

    @property
    def header(self) -> Path:
        """The file that makes it whole."""
        return self.stem.with_name(self.stem.name + ".json")

    def remove(self) -> None:
        """Delete its files, first the one that makes it whole."""
        self.header.unlink(missing_ok=True)
        for run in self.runs:
            for path in run.paths:
                path.unlink(missing_ok=True)


def write_run(stem: Path, kind: Kind, chunks: Iterable[tuple[Column, Counts]]) -> Run:
    """Write sorted chunks.

    Raises:
        ResourceError: the disk is full, or cannot be written to.
    """
    rows, width = 0, 1
    run = Run(stem, kind, 0, width)
    with explained(stem), ExitStack() as stack:
        *keys, counts = [stack.enter_context(path.open("w+b")) for path in run.paths]
        for column, numbers in chunks:
            needed = _width(int(numbers.max(initial=0)))
            if needed > width:
                _widen(counts, width, needed)
                width = needed
            kind.write(column, keys)
            counts.write(numbers.astype(f"<u{width}").data)
            rows += len(numbers)
    return Run(stem, kind, rows, width)


def seal(stem: Path, found: Sequence[Run], covers: Mapping[str, Any]) -> Spill:
    """Make a spill of runs that are written: from here on it is trusted.

    Raises:
        ResourceError: the disk is full, or cannot be written to.
    """
    spill = Spill(stem, tuple(found), covers)
    with explained(stem):
        held = [
            {
                "kind": run.kind.name,
                "rows": run.rows,
                "width": run.width,
                "checks": [checksum.of_file(path) for path in run.paths],
            }
            for run in found
        ]
        body = json.loads(json.dumps({"runs": held, "covers": covers}))
        # The checksums tell whether everything reached the disk, so nobody waits for it.
        with atomic.replacing(spill.header, durable=False) as header:
            header.write_text(json.dumps({"check": check_of(body), **body}), "utf-8")
    return spill


def load(header: Path) -> Spill | None:
    """A spill from its JSON file; None where anything of it is damaged."""
    stem = header.with_name(header.name.removesuffix(".json"))
    try:
        held = json.loads(header.read_text("utf-8"))
        if held.pop("check") != check_of(held):
            return None
        found = []
        for entry in held["runs"]:
            run = Run(stem, KINDS[entry["kind"]], entry["rows"], entry["width"])
            if [checksum.of_file(path) for path in run.paths] != entry["checks"]:
                return None
            found.append(run)
        return Spill(stem, tuple(found), held["covers"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def check_of(body: Mapping[str, Any]) -> int:
    """CRC-32 of what a JSON file says, however it is written."""
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def check_sum(counts: npt.NDArray[Any]) -> None:
    """Refuse counts that cannot be added up without an overflow.

    Raises:
        DataError: they come to more than MOST_TOKENS.
    """
    if counts.sum(dtype=np.float64) > MOST_TOKENS:
        raise DataError(
            "the corpus has more tokens than can be counted",
            why=f"the counts come to more than {MOST_TOKENS}",
            do="count parts of it on their own",
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full disk into an error that says what to do.

    Raises:
        ResourceError: a file could not be written.
    """
    try:
        yield
    except OSError as error:
        raise ResourceError(
            "a temporary file cannot be written",
            where=str(path),
            why=str(error),
            do="free some space, or name another folder with --tmp",
        ) from error


def _width(largest: int) -> int:
    return next(width for width in _WIDTHS if largest < 256**width)


def _widen(stream: IO[bytes], old: int, new: int) -> None:
    """Rewrite counts in a wider type in place, from the end backwards."""
    rows = stream.tell() // old
    block = 1 << 16
    for start in range((rows - 1) // block * block, -1, -block):
        stream.seek(start * old)
        held = np.frombuffer(stream.read(min(block, rows - start) * old), f"<u{old}")
        stream.seek(start * new)
        stream.write(held.astype(f"<u{new}").data)
    stream.seek(rows * new)
