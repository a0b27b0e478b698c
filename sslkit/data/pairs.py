"""How often each token stands at each distance from each other one, counted once over a corpus.

For a vocabulary that is small beside the corpus the table of all pairs is small too, and training
on it costs the same however long the corpus is.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.spec import token_ids
from sslkit.data.shards import Segments
from sslkit.types import Array

#: Units that become tokens at once: so few stay in the cache.
_UNITS = 2**17
#: Fewest tokens whose pairs are added up at once.
_TOKENS = 2**20


def count(
    segments: Segments,
    domain: TokenDomain,
    classes: npt.NDArray[np.int64],
    offsets: Sequence[tuple[int, int]],
) -> npt.NDArray[np.int64]:
    """Weighted pairs of all segments.

    Tokens are read in every phase, as jittered windows would see them, and in both forms where
    its records have another form; a pair does not go beyond its segment.

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
    known = token_ids(domain.spec)
    table = np.full(known.total, size, cell)
    table[: len(classes)] = classes
    found = np.zeros(side * side, np.int64)
    farthest = max(offset for offset, _ in offsets)
    alternatives = known.alternatives
    # Where every token has its alternative, the other form can be told from the first.
    forms = 1 if alternatives is None or (alternatives < known.size).all() else 2
    least = max(_TOKENS, side * side // 4)
    for stream in _streams(segments, domain, table, farthest, forms, least):
        for offset, weight in offsets:
            keys = stream[:-offset] * cell(side) + stream[offset:]
            number = np.bincount(keys, minlength=len(found))
            number *= weight
            found += number
    square = found.reshape(side, side)[:size, :size]
    square = square + square.T
    if alternatives is not None and forms == 1:
        # Read in the other form, a pair of tokens is the pair of their alternatives.
        alternative = np.empty(size, np.int64)
        alternative[classes] = classes[alternatives]
        square += square[np.ix_(alternative, alternative)]
    return square


def _streams(
    segments: Segments, domain: TokenDomain, table: Array, gap: int, forms: int, least: int
) -> Iterator[Array]:
    """Classes of all tokens end to end, rows apart by ``gap``, in blocks of ``least`` or more."""
    held: list[Array] = []
    for rows in _batches(segments):
        for form, phase in itertools.product(range(forms), range(domain.phases)):
            tokens = _tokens(segments, rows, form, phase, domain)
            apart = np.pad(tokens, ((0, 0), (0, gap)), constant_values=token_ids(domain.spec).pad)
            held.append(table[apart].reshape(-1))
        if sum(map(len, held)) >= least:
            yield np.concatenate(held)
            held.clear()
    if held:
        yield np.concatenate(held)


def _batches(segments: Segments) -> list[npt.NDArray[np.int64]]:
    """Numbers of segments of like length, together."""
    order = np.argsort(segments.length, kind="stable")
    part = np.cumsum(segments.length[order]) // _UNITS
    return np.split(order, np.flatnonzero(np.diff(part)) + 1)


def _tokens(
    segments: Segments, rows: npt.NDArray[np.int64], form: int, phase: int, domain: TokenDomain
) -> Array:
    """Token ids of some segments, or of their other forms, from a unit on, [rows, tokens]."""
    lengths = segments.length[rows]
    units = np.zeros((len(rows), int(lengths.max())), segments.shards[0].units.dtype)
    for row, number in enumerate(rows):
        own = segments.units(number)
        units[row, : lengths[row]] = domain.alternative(own) if form else own
    made = domain.batch(units[:, phase:], np.maximum(lengths - phase, 0), None)
    tokens, length = made["tokens"], made["length"]
    tokens[np.arange(tokens.shape[1]) >= length[:, None]] = token_ids(domain.spec).pad
    return tokens
