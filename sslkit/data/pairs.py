"""How often each token stands at each distance from each other one, counted once over a corpus.

For a vocabulary that is small beside the corpus the table of all pairs is small too, and training
on it costs the same however long the corpus is.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sslkit.contracts import Domain
from sslkit.data.shards import Segments
from sslkit.types import Array

#: Units that become tokens at once: so few stay in the cache.
_UNITS = 2**17
#: Fewest tokens whose pairs are added up at once.
_TOKENS = 2**20


def count(
    segments: Segments,
    domain: Domain,
    classes: npt.NDArray[np.int64],
    offsets: Sequence[tuple[int, int]],
) -> npt.NDArray[np.int64]:
    """Weighted pairs of all segments.

    Tokens are read in every phase, as jittered windows would see them, and in both forms where
    the domain has twins; a pair does not go beyond its segment.

    Args:
        classes: the number of each token of the vocabulary, [size]; tokens may share one.
        offsets: distances in tokens, from 1, and the weight of each.

    Returns:
        [classes, classes]; a pair is counted from both its ends, so it is symmetric. Beside it
        one more table and a block of tokens are held in memory.
    """
    size = int(classes.max(initial=-1)) + 1
    # What is no token of the vocabulary is a class of its own, which is dropped at the end.
    side = size + 1
    cell = np.int64 if side * side > np.iinfo(np.int32).max else np.int32
    table = np.full(domain.spec.total, size, cell)
    table[: len(classes)] = classes
    found = np.zeros(side * side, np.int64)
    farthest = max(offset for offset, _ in offsets)
    block = max(_TOKENS, side * side // 4)
    held: list[Array] = []

    def add() -> None:
        stream = np.concatenate(held)
        for offset, weight in offsets:
            keys = stream[:-offset] * cell(side) + stream[offset:]
            number = np.bincount(keys, minlength=len(found))
            number *= weight
            np.add(found, number, out=found)
        held.clear()

    waiting = 0
    for rows in _batches(segments):
        for phase in range(domain.phases):
            tokens = _tokens(segments, rows, phase, domain)
            # Rows follow each other with a gap that no pair reaches over.
            stream = np.pad(table[tokens], ((0, 0), (0, farthest)), constant_values=size)
            held.append(stream.reshape(-1))
            waiting += stream.size
        if waiting >= block:
            add()
            waiting = 0
    if waiting:
        add()
    square = found.reshape(side, side)[:size, :size]
    square = square + square.T
    if domain.spec.twins is not None:
        # Read in the other form, a pair of tokens is the pair of their twins.
        twin = np.full(size, size, np.int64)
        twin[classes] = table[domain.spec.twins]
        has = np.flatnonzero(twin < size)
        square[np.ix_(has, has)] += square[np.ix_(twin[has], twin[has])]
    return square


def _batches(segments: Segments) -> list[npt.NDArray[np.int64]]:
    """Numbers of segments of like length, together."""
    order = np.argsort(segments.length, kind="stable")
    part = np.cumsum(segments.length[order]) // _UNITS
    return np.split(order, np.flatnonzero(np.diff(part)) + 1)


def _tokens(segments: Segments, rows: npt.NDArray[np.int64], phase: int, domain: Domain) -> Array:
    """Token ids of some segments without their first ``phase`` units, [rows, tokens]."""
    lengths = segments.length[rows]
    units = np.zeros((len(rows), int(lengths.max())), segments.shards[0].units.dtype)
    for row, number in enumerate(rows):
        units[row, : lengths[row]] = segments.units(number)
    made = domain.batch(units[:, phase:], np.maximum(lengths - phase, 0), None)
    tokens, length = made["tokens"], made["length"]
    tokens[np.arange(tokens.shape[1]) >= length[:, None]] = domain.spec.pad
    return tokens
