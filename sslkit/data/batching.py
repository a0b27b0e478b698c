"""Rows of a step dealt out to micro-batches, each padded to its own longest row."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.types import Array

#: From lengths in units, [rows], to the rows of each micro-batch.
Dealing: TypeAlias = Callable[[npt.NDArray[np.int64]], Iterator[npt.NDArray[np.int64]]]


def by_length(tokens: Callable[[int], int], budget: int, overhead: int) -> Dealing:
    """Rows of like length together, the longest first; rows of one length stay in their order.

    Args:
        tokens: how many tokens so many units give.
        budget: most tokens of a micro-batch, padding included; a longer row stands alone.
        overhead: tokens of padding that one more micro-batch costs as much as.
    """
    return partial(_by_length, tokens=tokens, budget=budget, overhead=overhead)


def in_order(rows: int) -> Dealing:
    """So many rows each, as they come: for losses that compare the rows of a micro-batch."""

    def dealt(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        for at in range(0, len(lengths), rows):
            yield np.arange(at, min(at + rows, len(lengths)))

    return dealt


def cropped(
    units: Array, lengths: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Some rows of padded units, [rows, longest of them], and their lengths."""
    some = lengths[rows]
    found: Array = units[rows, : int(some.max(initial=0))]
    return found, some


def _by_length(
    lengths: npt.NDArray[np.int64], tokens: Callable[[int], int], budget: int, overhead: int
) -> Iterator[npt.NDArray[np.int64]]:
    sizes = [tokens(length) for length in lengths.tolist()]
    order = sorted(range(len(sizes)), key=lambda row: -sizes[row])
    begin = padding = 0
    for at, row in enumerate(order):
        longest = sizes[order[begin]]
        padding += longest - sizes[row]
        if at > begin and (padding > overhead or (at - begin + 1) * longest > budget):
            yield np.array(order[begin:at])
            begin, padding = at, 0
    if order:
        yield np.array(order[begin:])
