"""Freeze early blocks; let the rate of the others fall towards the input."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from sslkit.errors import UsageError

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """What stays as it was, and how fast the rest moves."""

    freeze: int = field(
        default=0, metadata={"help": "blocks from the input on that stay as they are"}
    )
    layer_decay: float = field(
        default=1.0, metadata={"help": "factor of the learning rate from a block to the one below"}
    )

    def __post_init__(self) -> None:
        if self.freeze < 0:
            raise ValueError(f"freeze is at least 0, not {self.freeze}")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay is above 0 and at most 1, not {self.layer_decay}")


class Adaptation:
    """Frozen layers and layer-wise decay of the learning rate (Howard & Ruder 2018)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def factors(self, groups: Sequence[tuple[str, list[nn.Parameter]]]) -> list[float]:
        """The factor of the learning rate of every group; 0 stands for frozen.

        Args:
            groups: of an encoder, from input to output: the embeddings, its blocks, the rest.

        Raises:
            UsageError: more blocks are to be frozen than there are.
        """
        blocks = [name for name, _ in groups if name.startswith("block ")]
        frozen = self.settings.freeze
        if frozen > len(blocks):
            raise UsageError(
                f"--freeze {frozen}: the encoder has {len(blocks)} blocks",
                do=f"freeze at most {len(blocks)}; the head is always trained",
            )
        factors: list[float] = []
        above = len(blocks)
        for name, _ in groups:
            above -= name.startswith("block ")
            behind = bool(factors) and not name.startswith("block ")
            kept = len(blocks) - above <= frozen and frozen > 0 and not behind
            factors.append(0.0 if kept else self.settings.layer_decay**above)
        return factors
