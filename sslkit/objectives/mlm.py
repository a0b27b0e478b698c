"""Masked modelling: hide tokens in spans and predict them from what is left.

Where tokens overlap, a hidden token's neighbours would show its content. So for every target
all tokens within ``reach`` of it are hidden as well, and only the targets count in the loss:
no visible token shows any part of a target, and the perplexity can be read against the unigram
entropy. (Devlin et al. 2019; spans after Joshi et al. 2020.)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import take
from sslkit.contracts.spec import Spec
from sslkit.objectives._heads import TokenObjective, log_probabilities, targeted
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens"})
CAUSAL = False
UNIT = "nats per token"
BASELINE = "unigram"


@dataclass(frozen=True)
class Settings(Weighted):
    """How much is hidden, and what stands in its place."""

    rate: float = field(default=0.3, metadata={"help": "share of tokens that are hidden"})
    span: int | None = field(
        default=None,
        metadata={"help": "targets in a row; none: 1, or k / stride where k-mers overlap"},
    )
    random: float = field(
        default=0.0, metadata={"help": "share of spans hidden by random tokens, not by the mask"}
    )
    keep: float = field(default=0.0, metadata={"help": "share of spans left as they are"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rate < 1:
            raise ValueError(f"rate is between 0 and 1, not {self.rate}")
        if self.span is not None and self.span < 1:
            raise ValueError(f"span is at least 1, not {self.span}")
        if min(self.random, self.keep) < 0 or self.random + self.keep > 1:
            raise ValueError("random and keep are shares, together at most 1")


class Objective(TokenObjective):
    """Masked modelling for one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        super().__init__("mlm", spec, counts)
        self.settings = settings
        self._span = settings.span or self.tokens.overlap + 1

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Hide tokens of a batch.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and, where the domain weighs tokens,
                ``token_weight`` [B, L].
            draws: random numbers by row.

        Returns:
            the batch with hidden ``tokens`` replaced, ``positions`` [T] of the targets as
            ``TokenEncoder.states_at`` takes them, ``targets`` [T], their ids, and ``weight`` [T]
            float32.
        """
        tokens, length = batch["tokens"], batch["length"]
        span_at = self._spans(tokens.shape, length, draws)
        target = (span_at >= 0) & (tokens < self.tokens.size)
        fate = draws.uniform("fate", tokens.shape[1])
        fate = np.take_along_axis(fate, np.maximum(span_at, 0), axis=1)
        # A span that is kept shows itself, so nothing around it needs to be hidden.
        hidden = _spread(target & (fate >= self.settings.keep), self.tokens.overlap)
        hidden &= np.arange(tokens.shape[1]) < length[:, None]
        shown = tokens.copy()
        shown[hidden] = self.tokens.mask
        swapped = target & (fate >= self.settings.keep)
        swapped &= fate < self.settings.keep + self.settings.random
        if swapped.any():
            noise = draws.uniform("noise", tokens.shape[1])[swapped]
            drawn = np.minimum(noise * self.tokens.size, self.tokens.size - 1)
            shown[swapped] = drawn.astype(np.int64)
        return batch | {"tokens": shown} | targeted(batch, target)

    def _spans(
        self, shape: tuple[int, ...], length: npt.NDArray[np.int64], draws: Draws
    ) -> npt.NDArray[np.int64]:
        """At every target the column where its span begins, else -1; [B, L].

        Each row is cut into equal parts, one span begins at random in each: their number is
        exact, and only their places are random.
        """
        rows, columns = shape
        span = self._span
        hidden = span + 2 * self.tokens.overlap
        count = np.maximum(1, np.rint(self.settings.rate * length / hidden)).astype(np.int64)
        most = int(count.max(initial=1))
        place = (np.arange(most) + draws.uniform("span", most)) / count[:, None]
        room = np.maximum(length - span + 1, 1)
        start = np.minimum((place * room[:, None]).astype(np.int64), room[:, None] - 1)
        found = np.full(shape, -1, np.int64)
        used = np.arange(most) < count[:, None]
        row = np.broadcast_to(np.arange(rows)[:, None], start.shape)[used]
        first = start[used]
        for offset in range(span):
            inside = first + offset < np.minimum(length[row], columns)
            found[row[inside], first[inside] + offset] = first[inside]
        return found

    def log_probabilities(
        self,
        encoder: nn.Module,
        head: nn.Module,
        batch: Batch,
        wanted: Tensor,
        *,
        rows: int,
        spacing: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``contracts.objective.Likelihood``: every token in a copy of its row that hides it.

        All tokens within ``reach`` of it are hidden as well. The sum of a row is its
        pseudo-log-likelihood (Salazar et al. 2020, eq. 1).
        """
        tokens = batch["tokens"]
        row, column = (wanted & (tokens < self.tokens.size)).nonzero(as_tuple=True)
        # Tokens of a row that are as far behind a multiple of the spacing are hidden together.
        apart = tokens.shape[1] if spacing is None else spacing
        copies, copy = torch.unique(row * apart + column % apart, return_inverse=True)
        order = copy.argsort(stable=True)
        row, column, copy = row[order], column[order], copy[order]
        for first in range(0, len(copies), rows):
            of = copies[first : first + rows].div(apart, rounding_mode="floor")
            rows_of = take(batch, of)
            size = rows_of["length"]
            ends = torch.tensor([first, first + len(of)], device=copy.device)
            begin, end = torch.searchsorted(copy, ends).tolist()
            here, there = copy[begin:end] - first, column[begin:end]
            # Rows of a batch differ in length, those of a pass often do not.
            shown = rows_of["tokens"]
            for offset in range(-self.tokens.overlap, self.tokens.overlap + 1):
                place = there + offset
                inside = (place >= 0) & (place < size[here])
                shown[here[inside], place[inside]] = self.tokens.mask
            states = encoder(rows_of).values[here, there]
            places = row[begin:end] * tokens.shape[1] + there
            yield from log_probabilities(head, states, places, self.tokens.size)


def _spread(flags: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """True within ``reach`` columns of a True."""
    if reach == 0:
        return flags
    total = np.cumsum(np.pad(flags, ((0, 0), (reach + 1, reach))), axis=1, dtype=np.int64)
    return total[:, 2 * reach + 1 :] > total[:, : -2 * reach - 1]
