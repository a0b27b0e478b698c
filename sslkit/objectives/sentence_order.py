"""Sentence order: whether two segments of a text stand as they were written, or swapped.

Both segments are whole sentences that follow each other, so topic and style say nothing, and only
the thread of the text does (Lan et al. 2019, section 3.1). What is cut off by the ends of a row is
left out: a broken sentence would show where a segment stood. Both segments are as long as each
other on average and in spread, whichever stands first.
"""

from dataclasses import dataclass

import numpy as np

from sslkit.contracts.spec import Spec
from sslkit.objectives import _pairs
from sslkit.objectives._pairs import SegmentObjective, Segments
from sslkit.types import Array, Arrays, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens", "boundary"})
CAUSAL = None
UNIT = "nats per pair"
BASELINE = "chance"


@dataclass(frozen=True)
class Settings(Weighted):
    """Nothing but the weight."""


class Objective(SegmentObjective):
    """Sentence order for one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        del counts
        super().__init__("sentence-order", spec)
        self.settings = settings

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Cut rows in two where a sentence begins, and swap half of them.

        A row without a sentence that begins in the middle half of its whole sentences does not
        count. Where tokens overlap, ``overlap`` of them are left out between the segments.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and ``boundary`` [B, L].
            draws: random numbers by row.

        Returns:
            What ``_pairs.paired`` gives; ``odd`` is 1 where segments are swapped.
        """
        column = np.arange(batch["tokens"].shape[1])
        boundary = batch["boundary"] & (column < batch["length"][:, None])
        start = np.where(boundary, column, len(column)).min(1, initial=len(column))
        # The last sentence may go on behind the row.
        stop = np.where(boundary, column, 0).max(1, initial=0) - self.tokens.overlap
        middle = _pairs.cut(boundary, start, stop, draws.uniform("cut", 1)[:, 0])
        rows = np.flatnonzero(middle >= 0)
        start, middle, stop = start[rows], middle[rows], stop[rows]
        before = Segments(rows, start, middle - start)
        after = Segments(rows, middle + self.tokens.overlap, stop - middle)
        swapped = draws.uniform("swapped", 1)[rows, 0] < 0.5
        pair = before.either(after, swapped), after.either(before, swapped)
        return _pairs.paired(batch, self.tokens, rows, pair, swapped)
