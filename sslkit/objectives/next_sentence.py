"""Next sentence: whether a segment goes on from the one before it, or was taken from elsewhere.

The segment from elsewhere begins another row of the same (micro-)batch, mostly of another text,
so topic alone often tells (Devlin et al. 2019, section 3.1; Lan et al. 2019 on why that is easy).
Nothing else does: the second segment begins with a sentence, is of the same length and is cut off
at any place, wherever it comes from.
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
ACROSS_ROWS = True

#: The second segment is shortened by up to this share, so that its end tells nothing.
_SHORTENED = 0.25


@dataclass(frozen=True)
class Settings(Weighted):
    """Nothing but the weight."""


class Objective(SegmentObjective):
    """Next sentence for one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        del counts
        super().__init__("next-sentence", spec)
        self.settings = settings

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Cut rows in two where a sentence begins, and give half of them another second segment.

        A row without a sentence that begins in its middle half does not count, nor does one that
        is alone: the rows of a micro-batch serve each other, so it matters how large that is.
        Where tokens overlap, ``overlap`` of them are left out between the segments.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and ``boundary`` [B, L].
            draws: random numbers by row.

        Returns:
            What ``_pairs.paired`` gives; ``odd`` is 1 where the second segment is from elsewhere.
        """
        columns = batch["tokens"].shape[1]
        boundary = batch["boundary"] & (np.arange(columns) < batch["length"][:, None])
        stop = batch["length"] - self.tokens.overlap
        middle = _pairs.cut(boundary, np.zeros_like(stop), stop, draws.uniform("cut", 1)[:, 0])
        rows = np.flatnonzero(middle >= 0)
        if len(rows) == 1:
            rows = rows[:0]
        middle, rest = middle[rows], (stop - middle)[rows]
        # In an order drawn at random, each row takes from the one before it, the first from the
        # last: nobody from itself, and all segments are asked for alike.
        order = np.argsort(draws.uniform("order", 1)[rows, 0], kind="stable")
        other = np.empty_like(order)
        other[order] = np.roll(order, 1)
        # The same length for both kinds of pair, and no end of a row.
        shorten = 1 - _SHORTENED * draws.uniform("shortened", 1)[rows, 0]
        most = np.minimum(rest, rest[other])
        length = 1 + ((most - 1) * shorten).astype(np.int64)
        after = Segments(rows, middle + self.tokens.overlap, length)
        unknown = Segments(rows[other], after.start[other], length)
        taken = draws.uniform("taken", 1)[rows, 0] < 0.5
        first = Segments(rows, np.zeros_like(middle), middle)
        pair = first, after.either(unknown, taken)
        return _pairs.paired(batch, self.tokens, rows, pair, taken)
