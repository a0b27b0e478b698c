"""Low-rank updates of linear layers; all other weights of the encoder stay as they are.

A layer gives W x + (alpha / rank) B A x with W frozen, A [rank, inputs] drawn from a normal
distribution and B [outputs, rank] zero at first, so that training begins with the encoder as it
was (Hu et al. 2021, https://arxiv.org/abs/2106.09685, eq. 3). At the end W becomes
W + (alpha / rank) B A: the checkpoint is that of a plain encoder.

Whatever is a linear layer can be updated: qkv, out, up and down of a transformer, enter, out, up
and down of conv, gru and mpnn, query, key and out of factored. Taps of convolutions, recurrent
matrices of gru's classic cell, tables and norms are no linear layers and stay. An encoder without
linear layers, as skipgram's table, is refused.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts import adaptation
from sslkit.contracts.encoder import Encoder
from sslkit.errors import UsageError

VERSION = 1
_SHOWN_NAMES = 12


@dataclass(frozen=True)
class Settings:
    """Size of the updates, and which layers have one."""

    rank: int = field(default=8, metadata={"help": "rows of A and columns of B"})
    alpha: float = field(
        default=16.0, metadata={"help": "the update counts alpha / rank, whatever the rank"}
    )
    targets: str = field(
        default="*",
        metadata={
            "help": "linear layers to update, patterns of names with commas between them: "
            "qkv,out for attention, up,down for feed-forward, or blocks.3.*; all of them"
        },
    )

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank is at least 1, not {self.rank}")
        if not self.alpha > 0:
            raise ValueError(f"alpha is above 0, not {self.alpha}")
        if not self.patterns:
            raise ValueError("targets names no layers")

    @property
    def patterns(self) -> list[str]:
        """The patterns of ``targets``."""
        return [pattern for text in self.targets.split(",") if (pattern := text.strip())]


class LowRank(nn.Module):
    """A linear layer with a low-rank update.

    Attributes:
        layer: the plain layer, W and perhaps a bias.
        reduce: A, [rank, inputs].
        expand: B, [outputs, rank].
        scale: alpha / rank.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.layer = layer
        # Encoders read them, as they do weight and bias.
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.scale = alpha / rank
        self.reduce = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.expand = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.normal_(self.reduce, std=layer.in_features**-0.5)

    @property
    def weight(self) -> Tensor:
        """W + (alpha / rank) B A, [outputs, inputs], for code that reads it from the layer."""
        return self.layer.weight + self.scale * self.expand @ self.reduce

    @property
    def bias(self) -> Tensor | None:
        """The plain layer's."""
        return self.layer.bias

    def forward(self, input: Tensor) -> Tensor:
        """[..., inputs] to [..., outputs]."""
        update = functional.linear(functional.linear(input, self.reduce), self.expand)
        output: Tensor = self.layer(input)
        return output + self.scale * update

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain layer, whose weight has become ``weight``."""
        self.layer.weight.copy_(self.weight)
        return self.layer


class Adaptation(adaptation.Adaptation):
    """Train low-rank updates alone."""

    settings: Settings

    def wrap(self, encoder: Encoder) -> Encoder:
        """Give every target an update.

        Raises:
            UsageError: no linear layer has a name that fits, or one is smaller than the rank.
        """
        targets = self._targets(encoder)
        shared = _shared(encoder)
        for name, layer in targets.items():
            if self.settings.rank > min(layer.in_features, layer.out_features):
                raise UsageError(
                    f"lora.rank={self.settings.rank} is more than layer {name} has",
                    why=f"its weight is {layer.out_features} x {layer.in_features}",
                    do="choose a smaller rank",
                )
            if layer.weight in shared:
                raise UsageError(
                    f"layer {name} shares its weight with another one",
                    why="an update of one would change both when it is merged",
                    do="leave it out of lora.targets",
                )
        for layer in targets.values():
            _replace(encoder, layer, LowRank(layer, self.settings.rank, self.settings.alpha))
        return encoder

    def rates(self, encoder: Encoder) -> Mapping[nn.Parameter, float]:
        """0 for all that is no update."""
        layers = [module for module in encoder.modules() if isinstance(module, LowRank)]
        updates = {parameter for layer in layers for parameter in (layer.reduce, layer.expand)}
        return {p: 0.0 for p in encoder.parameters() if p not in updates}

    def merge(self, encoder: Encoder) -> Encoder:
        """Add every update to its weight, in place."""
        for layer in [module for module in encoder.modules() if isinstance(module, LowRank)]:
            _replace(encoder, layer, layer.merged())
        return encoder

    def _targets(self, encoder: Encoder) -> dict[str, nn.Linear]:
        """The layers to update, by name; not what derives from a linear layer, which others read.

        Raises:
            UsageError: there is none.
        """
        linear = {name: m for name, m in encoder.named_modules() if type(m) is nn.Linear}
        if not linear:
            raise UsageError(
                "adaptation lora updates linear layers, and this encoder has none",
                do="--adapt full or freeze",
            )
        targets = {name: layer for name, layer in linear.items() if self._is_target(name)}
        if not targets:
            names = list(dict.fromkeys(name.rpartition(".")[2] for name in linear))
            raise UsageError(
                f"no linear layer fits lora.targets={self.settings.targets}",
                do=f"there is: {', '.join(names[:_SHOWN_NAMES])}; or all of a name, as "
                f"{next(iter(linear))}",
            )
        return targets

    def _is_target(self, name: str) -> bool:
        """Whether a layer's name, or the last part of it, fits a pattern."""
        names = (name, name.rpartition(".")[2])
        return any(fnmatchcase(each, p) for each in names for p in self.settings.patterns)


def _shared(encoder: Encoder) -> set[nn.Parameter]:
    """Parameters of more than one module."""
    counts = Counter(p for m in encoder.modules() for p in m.parameters(recurse=False))
    return {parameter for parameter, count in counts.items() if count > 1}


def _replace(encoder: Encoder, old: nn.Module, new: nn.Module) -> None:
    """Put a module into every place of another one."""
    for parent in list(encoder.modules()):
        for name in [name for name, child in parent._modules.items() if child is old]:
            setattr(parent, name, new)
