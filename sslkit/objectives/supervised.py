"""Labels of whole records: classes, or a number. This is what finetune trains on."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.modules import Pooling, pool
from sslkit.types import Array, Arrays, Batch, Draws, TokenSpec

VERSION = 1
NEEDS = frozenset({"tokens", "target"})


@dataclass(frozen=True)
class Settings:
    """Head of the model."""

    outputs: int = field(
        default=2, metadata={"help": "classes, or 1 for a number; the task decides it"}
    )
    pooling: Pooling = field(
        default="mean", metadata={"help": "how the tokens of a record become one vector"}
    )
    head_dropout: float = field(
        default=0.1, metadata={"help": "share of the pooled vector dropped in training"}
    )

    def __post_init__(self) -> None:
        if self.outputs < 1:
            raise ValueError(f"outputs is at least 1, not {self.outputs}")
        if not 0 <= self.head_dropout < 1:
            raise ValueError(f"head_dropout is from 0 to below 1, not {self.head_dropout}")


class Objective:
    """Cross entropy of classes, or the squared error of a standardised number."""

    def __init__(
        self, settings: Settings, spec: TokenSpec | None = None, counts: Array | None = None
    ) -> None:
        self.settings = settings

    def head(self, width: int) -> nn.Module:
        """Pooling, normalisation and one linear layer."""
        return Head(self.settings, width)

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Nothing is hidden from the model but the labels."""
        return batch

    def count(self, batch: Arrays) -> dict[str, float]:
        """The summed weights of the examples."""
        return {"supervised": float(batch["weight"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss summed over the examples: nats, or squared standard deviations."""
        scores = head(encoder(batch["tokens"], batch["length"]), batch["length"]).float()
        if self.settings.outputs == 1:
            each = (scores[:, 0] - batch["target"].float()) ** 2
        else:
            each = functional.cross_entropy(scores, batch["target"], reduction="none")
        return {"supervised": (each * batch["weight"]).sum()}


class Head(nn.Module):
    """From hidden states [B, L, width] to scores [B, outputs]."""

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__()
        self.pooling = settings.pooling
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(settings.head_dropout)
        self.out = nn.Linear(width, settings.outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor, length: Tensor) -> Tensor:
        """Scores of each record; padding does not count."""
        vectors = pool(hidden, torch.zeros_like(length), length, self.pooling)
        scores: Tensor = self.out(self.drop(self.norm(vectors)))
        return scores
