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

from sslkit.contracts.encoder import Pooling, States, pool, view
from sslkit.types import Arrays, Batch, Draws, Weighted

#: A learned temperature stays above it: a hundredth is as sharp as float32 needs.
_COLDEST = 0.01


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
            batch: records and, as ``view``, other records that say the same.
            draws: not used, the domain has drawn the view.

        Returns:
            the batch, and ``rows`` [P] int64, those that are compared.
        """
        empty = [batch[name] < 1 for name in ("length", "view.length") if name in batch]
        count = len(next(iter(batch.values())))
        rows = np.flatnonzero(~np.any([np.zeros(count, np.bool_), *empty], axis=0))
        return batch | {"rows": rows if len(rows) > 1 else rows[:0]}

    def count(self, batch: Arrays) -> dict[str, float]:
        """The number of pairs."""
        return {self._name: float(len(batch["rows"]))}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE summed over the pairs, the mean of both directions, in nats."""
        rows = batch["rows"]
        vectors = [self._vectors(encoder(side), rows) for side in (batch, view(batch, "view"))]
        # In bfloat16 near vectors look alike, and there are few numbers per record.
        with torch.autocast(rows.device.type, enabled=False):
            scores = head(*vectors)
            both = scores.logsumexp(0) + scores.logsumexp(1) - 2 * scores.diagonal()
        return {self._name: both.sum() / 2}

    def _vectors(self, states: States, rows: Tensor) -> Tensor:
        mask = None if states.mask is None else states.mask[rows]
        return pool(States(states.values[rows], mask), self._pooling)

    def baseline(self, batches: Sequence[Arrays]) -> float:
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
