"""What is kept from training to measure it: whole segments, and no copies of them elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.data.shards import Segments
from sslkit.types import Array

#: Two stretches of this many equal units are taken for copies of each other.
COPY_UNITS = 32
_COPIED_SHARE = 0.1
#: Training segments are searched for copies up to so many units, evenly spread beyond.
_SEARCH_UNITS = 2**28


@dataclass(frozen=True)
class Split:
    """Segments to train on and segments held out.

    Attributes:
        copies: segments in neither part, for the other part repeats them.
        overlap: share of the held-out stretches that training still sees, 0 to 1.
    """

    train: Segments
    held: Segments
    copies: int
    overlap: float


def hold_out(segments: Segments, units: int, alternative: Callable[[Array], Array]) -> Split:
    """Hold out about ``units`` units, the same for every seed, and separate copies.

    A training segment of which more than a tenth stands in the held-out part is left out; a
    held-out segment of which training still sees more than a tenth is left out too.

    Args:
        units: aim for the held-out part; at least one segment, at most half of them.
        alternative: a record's other form that says the same (the reverse complement).
    """
    order = np.argsort(_scatter(segments), kind="stable")
    wanted = int(np.searchsorted(np.cumsum(segments.length[order]), units)) + 1
    count = min(max(1, wanted), max(1, len(segments) // 2))
    held, rest = segments.take(np.sort(order[:count])), segments.take(np.sort(order[count:]))
    known = _stretches(held, alternative)
    every = max(1, -(-int(rest.length.sum()) // _SEARCH_UNITS))
    seen = np.zeros(len(known), bool)
    keep = np.ones(len(rest), bool)
    for number in range(0, len(rest), every):
        place = _places(hashes(rest.units(number)), known)
        keep[number] = _share(place >= 0) <= _COPIED_SHARE
        if keep[number]:
            seen[place[place >= 0]] = True
    shares = np.array(
        [_share(seen[_places(hashes(u), known)]) for u in map(held.units, range(len(held)))]
    )
    clean = shares <= _COPIED_SHARE
    if not clean.any():
        clean[:] = True
    overlap = float(np.average(shares[clean], weights=held.length[clean]))
    copies = int((~keep).sum() + (~clean).sum())
    return Split(rest.take(keep), held.take(clean), copies, overlap)


def _share(flags: npt.NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _places(found: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Where each hash stands in the sorted ``known``; -1 where it does not."""
    if not len(known):
        return np.full(len(found), -1, np.int64)
    at = np.minimum(np.searchsorted(known, found), len(known) - 1)
    return np.where(known[at] == found, at, -1)


def hashes(units: Array) -> npt.NDArray[np.uint64]:
    """A hash of every stretch of COPY_UNITS units, [len - COPY_UNITS + 1], by doubling.

    A segment that is shorter has one hash, of all of it.
    """
    if not len(units):
        return np.empty(0, np.uint64)
    values = _numbers(units)
    if len(units) < COPY_UNITS:
        place = np.arange(1, len(units) + 1, dtype=np.uint64)
        whole = np.bitwise_xor.reduce(rng.mix(values ^ rng.mix(place)))
        return rng.mix(np.array([whole ^ np.uint64(len(units))]))
    size = 1
    while size < COPY_UNITS:
        values = rng.mix(values[:-size] * np.uint64(3) ^ values[size:])
        size *= 2
    return values


def _numbers(units: Array) -> npt.NDArray[np.uint64]:
    """A number for each unit, the same for equal ones."""
    if units.dtype.kind != "V":
        return rng.mix(units.astype(np.uint64))
    # Of units that are no numbers, all eight-byte words together.
    words = np.ascontiguousarray(units).view(np.uint64).reshape(len(units), -1)
    found = np.zeros(len(units), np.uint64)
    for word in words.T:
        found = rng.mix(found * np.uint64(3) ^ word)
    return found


def _stretches(held: Segments, alternative: Callable[[Array], Array]) -> npt.NDArray[np.uint64]:
    """The hashes of all held-out stretches and of their other forms, sorted, each once."""
    sizes = np.where(held.length < COPY_UNITS, np.minimum(held.length, 1),
                     held.length - COPY_UNITS + 1)  # fmt: skip
    # Filled and sorted in place: it is the largest array of a pretraining run.
    found = np.empty(2 * int(sizes.sum()), np.uint64)
    at = 0
    for number, size in enumerate(sizes.tolist()):
        units = held.units(number)
        found[at : at + size] = hashes(units)
        found[at + size : at + 2 * size] = hashes(alternative(units))
        at += 2 * size
    found.sort()
    is_first = np.ones(len(found), np.bool_)
    is_first[1:] = found[1:] != found[:-1]
    return found[is_first]


def _scatter(segments: Segments) -> npt.NDArray[np.uint64]:
    """A number for each segment that its place and length decide."""
    place = rng.mix(segments.start.astype(np.uint64)) ^ rng.mix(segments.shard.astype(np.uint64))
    return rng.mix(place ^ segments.length.astype(np.uint64))
