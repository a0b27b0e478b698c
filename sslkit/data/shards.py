"""Encoded corpora on disk: one memory-mapped shard for each input file, reused by content.

A shard is named by the hash of what went in (the file's bytes and the way of encoding), so it is
made once, shared by all runs, and never stale. It holds the units of all records one after
another and the offsets where they begin.
"""

import array
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.files import atomic
from sslkit.types import Array


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


def shard_key(*parts: str) -> str:
    """The name of a shard: a hash of the file's content hash and all that shapes the units."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def open_or_build(
    folder: Path,
    key: str,
    encoded: Callable[[], Iterator[Array | None]],
    dtype: npt.DTypeLike,
) -> Shard:
    """The shard of that key, made first where it is not there yet.

    Args:
        folder: the cache.
        encoded: gives the units of each record in order, None for one that was skipped.
        dtype: of the units.
    """
    data, index = folder / f"{key}.units", folder / f"{key}.index"
    try:
        return _open(data, index)
    except (FileNotFoundError, ValueError, LookupError):
        # Not there, cut off by a full disk or a copy, or half removed: only a cache.
        _build(data, index, encoded(), np.dtype(dtype))
        return _open(data, index)


def _open(data: Path, index: Path) -> Shard:
    """A shard that is whole; ValueError or LookupError where its files do not fit together."""
    # The index is written last: where it is, the units are whole.
    with index.open("rb") as stream:
        header = json.loads(stream.readline())
        offsets = np.frombuffer(stream.read(), np.int64)
    dtype, count = np.dtype(header["dtype"]), int(offsets[-1])
    if data.stat().st_size != count * dtype.itemsize:
        raise ValueError(f"{data} is not of the size that {index} says")
    units: Array = np.memmap(data, dtype, "r", shape=(count,)) if count else np.empty(0, dtype)
    return Shard(units, offsets, header["skipped"])


def _build(
    data: Path, index: Path, records: Iterator[Array | None], dtype: np.dtype[np.generic]
) -> None:
    offsets = array.array("q", [0])
    skipped = 0
    with ExitStack() as stack:
        stream = stack.enter_context(stack.enter_context(atomic.replacing(data)).open("wb"))
        for units in records:
            if units is None:
                skipped += 1
                continue
            stream.write(np.ascontiguousarray(units, dtype).tobytes())
            offsets.append(offsets[-1] + len(units))
    header = json.dumps({"dtype": dtype.str, "skipped": skipped})
    atomic.write_bytes(index, header.encode() + b"\n" + offsets.tobytes())


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
