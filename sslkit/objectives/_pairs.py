"""Two segments in one row, and the question which of two kinds of pair they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import pool_between, to_float32
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.types import Array, Arrays, Batch

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segments:
    """A stretch for each of some pairs; all arrays are [pairs].

    Attributes:
        row: of the batch.
        start: its first column.
        length: its tokens, at least one.
    """

    row: Ints
    start: Ints
    length: Ints

    def either(self, other: "Segments", flags: Flags) -> "Segments":
        """These, or those of ``other`` where flagged."""
        return Segments(
            np.where(flags, other.row, self.row),
            np.where(flags, other.start, self.start),
            np.where(flags, other.length, self.length),
        )


def cut(boundary: Flags, start: Ints, stop: Ints, draw: Array) -> Ints:
    """A column of every row where a sentence begins, in the middle half; -1 where none does.

    Args:
        boundary: where sentences begin, [B, L].
        start, stop: the columns that are cut in two, [B].
        draw: uniform numbers that choose among several, [B].
    """
    column = np.arange(boundary.shape[1])
    quarter = np.maximum((stop - start) / 4, 1)[:, None]
    middle = (column >= start[:, None] + quarter) & (column <= stop[:, None] - quarter)
    able = boundary & middle
    count = able.sum(1)
    nth = np.minimum((draw * count).astype(np.int64), count - 1)
    chosen = able & (np.cumsum(able, axis=1) == nth[:, None] + 1)
    found: Ints = np.where(chosen, column, -1).max(1, initial=-1)
    return found


def paired(
    batch: Arrays, ids: Ids, rows: Ints, pair: tuple[Segments, Segments], odd: Flags
) -> Arrays:
    """Rows of two segments with the separator between them; other rows stay as they are.

    Args:
        batch: ``tokens`` [B, L] and ``length`` [B].
        rows: that become pairs, [T]; two segments of each together have at most L tokens.
        pair: the segments of each, from any rows.
        odd: whether it is a pair of the other kind, [T].

    Returns:
        ``tokens`` [B, L + 1] and ``length`` [B]; ``rows`` [T]; ``middle`` [T], the columns of
        the separators; ``odd`` [T] float32.
    """
    first, second = pair
    old = batch["tokens"]
    column = np.arange(old.shape[1] + 1)
    tokens = np.pad(old, ((0, 0), (0, 1)), constant_values=ids.pad)
    tokens[rows] = ids.pad
    for part, begin in ((first, np.zeros_like(rows)), (second, first.length + 1)):
        place = column - begin[:, None]
        number, at = np.nonzero((place >= 0) & (place < part.length[:, None]))
        wanted = part.start[number] + place[number, at]
        tokens[rows[number], at] = old[part.row[number], wanted]
    tokens[rows, first.length] = ids.separator
    length = batch["length"].copy()
    length[rows] = first.length + 1 + second.length
    return {
        "tokens": tokens,
        "length": length,
        "rows": rows,
        "middle": first.length,
        "odd": odd.astype(np.float32),
    }


class PairHead(nn.Module):
    """From hidden states to the score of a pair being of the other kind.

    It reads the mean of each segment, their product, and the separator's state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(4 * width, width)
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, states: Tensor, middle: Tensor, length: Tensor) -> Tensor:
        """Scores [T] of states [T, L, width] with separators at ``middle`` [T]."""
        nothing = torch.zeros_like(middle)
        parts = (
            pool_between(states, nothing, middle, "mean"),
            pool_between(states, middle + 1, length, "mean"),
            pool_between(states, middle, length, "first"),
        )
        first, second, mark = (self.norm(part.to(self.norm.weight.dtype)) for part in parts)
        seen = torch.cat([first, second, first * second, mark], dim=-1)
        scores: Tensor = self.out(functional.gelu(self.hidden(seen)))
        return scores[:, 0]


def losses(encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
    """Binary cross entropy summed over the pairs, in nats."""
    states = encoder(batch).values
    rows = batch["rows"]
    scores = to_float32(head(states[rows], batch["middle"], batch["length"][rows]))
    odd = batch["odd"].to(scores.dtype)
    return functional.binary_cross_entropy_with_logits(scores, odd, reduction="sum")


def chance(batches: Sequence[Arrays]) -> float:
    """The loss of a guess that holds both kinds for equally likely; NaN without a pair."""
    return math.log(2) if any(len(arrays["rows"]) for arrays in batches) else math.nan


class SegmentObjective:
    """What objectives of two segments have in common: all but how rows are cut into them.

    Args:
        name: of the loss.
    """

    def __init__(self, name: str, spec: Spec) -> None:
        self.tokens = token_ids(spec)
        self._name = name

    def head(self, width: int) -> nn.Module:
        """From hidden states to the score of a pair being odd."""
        return PairHead(width)

    def count(self, batch: Arrays) -> dict[str, float]:
        """The number of pairs."""
        return {self._name: float(len(batch["rows"]))}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Binary cross entropy summed over the pairs, in nats."""
        return {self._name: losses(encoder, head, batch)}

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """What chance gives."""
        return chance(batches)
