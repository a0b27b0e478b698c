"""Freeze early blocks; let the rate of the others fall towards the input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from sslkit.contracts import adaptation
from sslkit.contracts.encoder import Encoder
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


class Adaptation(adaptation.Adaptation):
    """Frozen layers and layer-wise decay of the learning rate (Howard & Ruder 2018)."""

    settings: Settings

    def rates(self, encoder: Encoder) -> Mapping[nn.Parameter, float]:
        """The factor of each parameter, by the group that it is in.

        Raises:
            UsageError: more blocks are to be frozen than there are.
        """
        groups = encoder.groups()
        factors = self.factors([name for name, _ in groups])
        return {p: f for (_, group), f in zip(groups, factors, strict=True) for p in group}

    def factors(self, groups: Sequence[str]) -> list[float]:
        """The factor of the learning rate of every group; 0 stands for frozen.

        Args:
            groups: of an encoder, from input to output: the embeddings, its blocks, the rest.

        Raises:
            UsageError: more blocks are to be frozen than there are.
        """
        blocks = [name for name in groups if name.startswith("block ")]
        frozen = self.settings.freeze
        if frozen > len(blocks):
            raise UsageError(
                f"--freeze {frozen}: the encoder has {len(blocks)} blocks",
                do=f"freeze at most {len(blocks)}; the head is always trained",
            )
        factors: list[float] = []
        above = len(blocks)
        for name in groups:
            is_block = name.startswith("block ")
            above -= is_block
            behind = bool(factors) and not is_block
            stays = len(blocks) - above <= frozen and frozen > 0 and not behind
            factors.append(0.0 if stays else self.settings.layer_decay**above)
        return factors
