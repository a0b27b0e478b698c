"""Two views of every record, each nearest to its partner among all records at hand.

InfoNCE (van den Oord et al. 2018, eq. 4) in both directions. The records at hand are those of the
micro-batch that one process holds at a time. More of them make the task harder and teach more, and
they come from --micro-tokens over --window rows, not from --batch-tokens, the steps' size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.modules import Pooling, besides_of, pool
from sslkit.types import Arrays, Batch, Draws, Weighted

#: A learned temperature stays above it: a hundredth is as sharp as float32 needs.
_COLDEST = 0.01
#: What batches call tokens and lengths of a record, and of its view.
_SIDES = (("tokens", "length"), ("view", "view_length"))
#: What an encoder may take besides; names of it begin so for records and for views.
BESIDES = frozenset({"links", "sites"})
_PREFIXES = ("", "view_")


@dataclass(frozen=True)
class Settings(Weighted):
    """How sharply near and far are told apart."""

    temperature: float = field(
        default=0.1, metadata={"help": "what cosines are divided by, above 0.01"}
    )
    learned: bool = field(
        default=False, metadata={"help": "learn the temperature, beginning with the one given"}
    )
    pooling: Pooling = field(
        default="mean", metadata={"help": "how the tokens of a record become one vector"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _COLDEST < self.temperature < math.inf:
            raise ValueError(f"temperature is above {_COLDEST}, not {self.temperature}")


class Contrast:
    """Contrast of views; negatives are the other rows of a micro-batch.

    Args:
        name: of the loss.
    """

    def __init__(self, name: str, pooling: Pooling) -> None:
        self._name = name
        self._pooling = pooling

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Which rows are compared: those with tokens in both views, unless one is left alone.

        Args:
            batch: ``tokens`` [B, L] and ``length`` [B], ``view`` [B, any] and ``view_length`` [B].
            draws: not used, the domain has drawn the view.

        Returns:
            the same, and ``rows`` [P] int64, those that are compared.
        """
        names = [name for side in _SIDES for name in side]
        besides = [prefix + name for prefix in _PREFIXES for name in sorted(BESIDES)]
        names += [name for name in besides if name in batch]
        rows = np.flatnonzero((batch["length"] > 0) & (batch["view_length"] > 0))
        return {name: batch[name] for name in names} | {"rows": rows if len(rows) > 1 else rows[:0]}

    def count(self, batch: Arrays) -> dict[str, float]:
        """The number of pairs."""
        return {self._name: float(len(batch["rows"]))}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE summed over the pairs, the mean of both directions, in nats."""
        rows = batch["rows"]
        vectors = []
        for (tokens, length), prefix in zip(_SIDES, _PREFIXES, strict=True):
            besides = besides_of(encoder, batch, prefix)
            states = encoder(batch[tokens], batch[length], **besides)[rows]
            zero = torch.zeros_like(rows)
            vectors.append(pool(states, zero, batch[length][rows], self._pooling))
        # In bfloat16 near vectors look alike, and there are few numbers per record.
        with torch.autocast(rows.device.type, enabled=False):
            scores = head(*vectors)
            both = scores.logsumexp(0) + scores.logsumexp(1) - 2 * scores.diagonal()
        return {self._name: both.sum() / 2}

    def floor(self, batches: Sequence[Arrays]) -> float:
        """The logarithm of the number of candidates."""
        pairs = np.array([len(batch["rows"]) for batch in batches], np.float64)
        if not pairs.sum():
            return math.nan
        return float((pairs * np.log(np.maximum(pairs, 1))).sum() / pairs.sum())


class Cosines(nn.Module):
    """Cosines of pooled vectors over the temperature.

    Args:
        project: what the vectors go through first.
    """

    def __init__(self, settings: Settings, project: nn.Module) -> None:
        super().__init__()
        self.project = project
        self.temperature = settings.temperature
        self.warmth: nn.Parameter | None = None
        if settings.learned:
            self.warmth = nn.Parameter(torch.tensor(math.log(settings.temperature - _COLDEST)))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Scores [P, P] of [P, width] each: row i holds record i of ``first`` with all others."""
        cosines = self.vectors(first) @ self.vectors(second).T
        if self.warmth is None:
            return cosines / self.temperature
        return cosines / (_COLDEST + self.warmth.exp())

    def vectors(self, pooled: Tensor) -> Tensor:
        """Unit vectors [P, any] of pooled states [P, width]."""
        return functional.normalize(self.project(pooled), dim=-1)
