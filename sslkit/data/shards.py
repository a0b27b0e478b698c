"""Encoded corpora on disk: one memory-mapped shard for each input file, reused by content.

A shard is named by the hash of what went in (the file's bytes and the way of encoding), so it is
made once, shared by all runs, and never stale. It holds the units of all records one after
another and, in an index, the offsets where they begin.

Both are compared with checksums whenever a shard is opened: a pass over the bytes at 2 GB/s, where
the search for copies that follows takes longer. A damaged shard is made again; whoever has the old
one mapped goes on with it.
"""

import array
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.files import atomic, checksum
from sslkit.types import Array

_BLOCK_UNITS = 1 << 20


@dataclass(frozen=True)
class Shard:
    """The encoded records of one file.

    Attributes:
        units: all records end to end, memory-mapped.
        offsets: where each record begins, and the end of the last; [records + 1] int64.
        skipped: records that could not be used.
    """

    units: Array
    offsets: npt.NDArray[np.int64]
    skipped: int

    @property
    def is_empty(self) -> bool:
        """Whether the file holds no record, good or bad."""
        return len(self.offsets) == 1 and not self.skipped


def shard_key(*parts: str) -> str:
    """The name of a shard: a hash of the file's content hash and all that shapes the units."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def open_or_build(
    folder: Path,
    key: str,
    encoded: Callable[[], Iterator[Array | None]],
    dtype: npt.DTypeLike,
    warn: Callable[[str], None],
) -> Shard:
    """The shard of that key, made first where it is not there yet, or is damaged.

    Args:
        folder: the cache.
        encoded: gives the units of each record in order, None for one that was skipped.
        dtype: of the units.
        warn: is told of a damaged one.
    """
    data, index = folder / f"{key}.units", folder / f"{key}.index"
    try:
        return _open(data, index, np.dtype(dtype))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError) as error:
        warn(f"shard {data} is damaged and is made again: {error}")
    _build(data, index, encoded(), np.dtype(dtype))
    return _open(data, index, np.dtype(dtype))


def _open(data: Path, index: Path, dtype: np.dtype[np.generic]) -> Shard:
    """A shard that is whole; ValueError or LookupError where its bytes are not those written."""
    # The index is written last: where it is, the units are whole.
    with index.open("rb") as stream:
        check, header, rest = stream.readline(), stream.readline(), stream.read()
    if check != _check(header, rest):
        raise ValueError("its index is not as it was written")
    stated, offsets = json.loads(header), np.frombuffer(rest, np.int64)
    count = int(offsets[-1])
    if stated["dtype"] != dtype.str or data.stat().st_size != count * dtype.itemsize:
        raise ValueError("its units are not of the size or type that its index says")
    if checksum.of_file(data) != stated["units"]:
        raise ValueError("its units are not those that were written")
    units: Array = np.memmap(data, dtype, "r", shape=(count,)) if count else np.empty(0, dtype)
    return Shard(units, offsets, stated["skipped"])


def _check(header: bytes, rest: bytes) -> bytes:
    """The first line of an index: CRC-32 of all that follows."""
    return b"%08x\n" % zlib.crc32(rest, zlib.crc32(header))


def _build(
    data: Path, index: Path, records: Iterator[Array | None], dtype: np.dtype[np.generic]
) -> None:
    offsets = array.array("q", [0])
    skipped = check = 0
    with ExitStack() as stack:
        # The checksums tell whether everything reached the disk, so nobody waits for it.
        path = stack.enter_context(atomic.replacing(data, durable=False))
        stream = stack.enter_context(path.open("wb"))
        for units in records:
            if units is None:
                skipped += 1
                continue
            for start in range(0, len(units), _BLOCK_UNITS):
                block = np.ascontiguousarray(units[start : start + _BLOCK_UNITS], dtype).tobytes()
                stream.write(block)
                check = zlib.crc32(block, check)
            offsets.append(offsets[-1] + len(units))
    stated = {"dtype": dtype.str, "skipped": skipped, "units": check}
    header, rest = json.dumps(stated).encode() + b"\n", offsets.tobytes()
    atomic.write_bytes(index, _check(header, rest) + header + rest, durable=False)


@dataclass(frozen=True)
class Segments:
    """Stretches of records, each whole within one shard; the unit of training and holding out.

    Attributes:
        shard, start, length: [segments] int64 each.
    """

    shards: Sequence[Shard]
    shard: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, chosen: Array) -> "Segments":
        """Some of the segments, by index or by flag."""
        return Segments(self.shards, self.shard[chosen], self.start[chosen], self.length[chosen])

    def units(self, number: int) -> Array:
        """The units of one segment, a view of the mapped file."""
        start = self.start[number]
        shard = self.shards[self.shard[number]]
        found: Array = shard.units[start : start + self.length[number]]
        return found


def cut(shards: Sequence[Shard], longest: int, shortest: int) -> Segments:
    """Cut records into segments of nearly equal length.

    Args:
        longest: a longer record is cut into pieces of at most so many units.
        shortest: a shorter record is left out.
    """
    columns: list[list[npt.NDArray[np.int64]]] = [[], [], []]
    for number, shard in enumerate(shards):
        lengths = np.diff(shard.offsets)
        pieces = np.where(lengths >= shortest, -(-lengths // longest), 0)
        record = np.repeat(np.arange(len(lengths)), pieces)
        nth = np.arange(len(record)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        begin = nth * lengths[record] // np.maximum(pieces[record], 1)
        end = (nth + 1) * lengths[record] // np.maximum(pieces[record], 1)
        columns[0].append(np.full(len(record), number, np.int64))
        columns[1].append(shard.offsets[record] + begin)
        columns[2].append(end - begin)
    empty = np.empty(0, np.int64)
    shard_of, start, length = (np.concatenate([empty, *column]) for column in columns)
    return Segments(shards, shard_of, start, length)
