"""Labels of each unit of a record, residue or base. This is what finetune trains on for them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.objectives import _labels
from sslkit.types import Batch

VERSION = 1
NEEDS = frozenset({"tokens", "speaker", "target"})


@dataclass(frozen=True)
class Settings:
    """Head of the model."""

    outputs: int = field(default=2, metadata={"help": "classes; the task decides it"})
    places: int = field(
        default=1,
        metadata={"help": "units that one token speaks for, each with weights of its own in the "
                  "head; the domain decides it"},
    )  # fmt: skip
    head_dropout: float = field(
        default=0.1, metadata={"help": "share of each token's state dropped in training"}
    )

    def __post_init__(self) -> None:
        _labels.check(self.outputs, self.head_dropout)
        if self.places < 1:
            raise ValueError(f"places is at least 1, not {self.places}")


class Objective(_labels.Supervised[Settings]):
    """Cross entropy of the classes of units.

    Batches hold, all [rows, units]: ``speaker``, the token that speaks for a unit; ``place``,
    which of that token's units it is; ``target``, its class, -1 where there is nothing to learn;
    and ``weight``, how much it counts, 0 there.
    """

    NAME = "supervised-units"

    def head(self, width: int) -> nn.Module:
        """A linear layer over tokens."""
        return Head(self.settings, width)

    def each(self, scores: Tensor, target: Tensor) -> Tensor:
        """The loss of each unit, in nats; 0 where nothing is known."""
        target = target.flatten()
        return functional.cross_entropy(
            scores.flatten(0, 1), target, reduction="none", ignore_index=-1
        )

    def scores(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
        """Scores of the classes of each unit, [rows, units, outputs] float32."""
        found: Tensor = head(encoder(batch).values, batch["speaker"], batch["place"])
        return found.float()


class Head(nn.Module):
    """From hidden states [B, L, width] to scores of units [B, U, outputs]."""

    def __init__(self, settings: Settings, width: int) -> None:
        super().__init__()
        self.shape = settings.places, settings.outputs
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(settings.head_dropout)
        self.out = nn.Linear(width, settings.places * settings.outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor, speaker: Tensor, place: Tensor) -> Tensor:
        """Scores of each unit: those that its token has for its place, both [B, U]."""
        said: Tensor = self.out(self.drop(self.norm(hidden))).unflatten(-1, self.shape)
        row = torch.arange(len(said), device=said.device)[:, None]
        return said[row, speaker, place]
