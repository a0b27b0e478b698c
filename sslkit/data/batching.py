"""The examples of a step divided into micro-batches, each padded to its own longest."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.types import Array

#: From the cost of each row, [rows], to the rows of each micro-batch.
Batching: TypeAlias = Callable[[npt.NDArray[np.int64]], Iterator[npt.NDArray[np.int64]]]


def by_cost(budget: int, overhead: int) -> Batching:
    """Rows of like cost together, the largest first; rows of one cost stay in their order.

    Args:
        budget: highest cost of a micro-batch, padding included; a row above it stands alone.
        overhead: the cost of padding that one more micro-batch costs as much as.
    """
    return partial(_by_cost, budget=budget, overhead=overhead)


def in_order(rows: int) -> Batching:
    """So many rows each, as they come: for losses that compare the rows of a micro-batch."""

    def batched(costs: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        for at in range(0, len(costs), rows):
            yield np.arange(at, min(at + rows, len(costs)))

    return batched


def cropped(units: Array, lengths: npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.int64]]:
    """Padded units without what is padding in every row, and their lengths."""
    return units[:, : int(lengths.max(initial=0))], lengths


def _by_cost(
    costs: npt.NDArray[np.int64], budget: int, overhead: int
) -> Iterator[npt.NDArray[np.int64]]:
    sizes = costs.tolist()
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
