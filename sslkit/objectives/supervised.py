"""Labels of whole records: classes, or a number. This is what finetune trains on."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import Pooling, States, pool
from sslkit.objectives import _labels
from sslkit.types import Batch

VERSION = 2
NEEDS = frozenset({"phase", "target"})


@dataclass(frozen=True)
class Settings:
    """Head of the model."""

    outputs: int = field(
        default=2, metadata={"help": "classes, or 1 for a number; the task decides it"}
    )
    pooling: Pooling = field(
        default="mean", metadata={"help": "how the tokens of a record become one vector"}
    )
    positions: int | None = field(
        default=None,
        metadata={
            "help": "first tokens with weights of their own in the head, for records that are cut "
            "around a common point; none: all where records are equally long, else 0"
        },
    )
    phases: int = field(
        default=1, metadata={"help": "ways to cut a record into tokens; the domain decides it"}
    )
    head_dropout: float = field(
        default=0.1, metadata={"help": "share of the pooled vector dropped in training"}
    )

    def __post_init__(self) -> None:
        _labels.check(self.outputs, self.head_dropout)
        if self.positions is not None and self.positions < 0:
            raise ValueError(f"positions is at least 0, not {self.positions}")
        if self.phases < 1:
            raise ValueError(f"phases is at least 1, not {self.phases}")


class Objective(_labels.Supervised[Settings]):
    """Cross entropy of classes, or the squared error of a standardised number."""

    NAME = "supervised"

    def head(self, width: int) -> nn.Module:
        """A linear layer over pooled tokens, and one over tokens at their places."""
        return Head(self.settings, width)

    def each(self, scores: Tensor, target: Tensor) -> Tensor:
        """The loss of each record: nats, or squared standard deviations."""
        if self.settings.outputs == 1:
            return (scores[:, 0] - target.float()) ** 2
        return functional.cross_entropy(scores, target, reduction="none")

    def scores(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
        """Scores [B, outputs] float32: of classes, or the standardised number."""
        embedded = encoder(batch, layer=0).values if self.settings.positions else None
        scores: Tensor = head(encoder(batch), embedded, batch["phase"])
        return scores.float()


class Head(nn.Module):
    """From hidden states [B, L, width] to scores [B, outputs].

    The pooled tokens tell what is in a record. Where records are aligned, a token at a place says
    more: every place has weights of its own, in each of the ways to cut records into tokens, for
    the embedding of the token that stands there and for its hidden state.
    """

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__()
        self.pooling = settings.pooling
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(settings.head_dropout)
        self.out = nn.Linear(width, settings.outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.place: nn.Parameter | None = None
        if settings.positions:
            shape = settings.positions, settings.phases, 2 * width, settings.outputs
            self.place = nn.Parameter(torch.zeros(shape))

    def forward(self, states: States, embedded: Tensor | None, phase: Tensor) -> Tensor:
        """Scores of each record; padding does not count.

        Args:
            states: of the last layer; ``embedded`` those of the first, [B, L, width], which a
                head without positions does not look at.
            phase: the way in which each record was cut into tokens, [B].
        """
        vectors = pool(states, self.pooling)
        scores: Tensor = self.out(self.drop(self.norm(vectors)))
        if self.place is None or embedded is None or states.mask is None:
            return scores
        embedded = functional.layer_norm(embedded.float(), embedded.shape[-1:])
        seen = torch.cat([embedded, states.values.float()], dim=-1)[:, : len(self.place)]
        # Filled, not multiplied by zero: NaN times zero is NaN.
        seen = seen.masked_fill(~states.mask[:, : seen.shape[1], None], 0.0)
        said = torch.einsum("bld,lpdo->bpo", self.drop(seen), self.place[: seen.shape[1]])
        said = said[torch.arange(len(said), device=said.device), phase]
        return scores + said / math.sqrt(len(self.place))
