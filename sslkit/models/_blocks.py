"""What the encoders share: residual blocks between token vectors and a last norm.

Shape suffixes: B rows, L tokens (one for the start vector included), D width; X any shape of
tokens, [B, L] or all of them end to end.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import TokenEncoder, TokenTable
from sslkit.contracts.spec import Spec, token_ids
from sslkit.models import _norms
from sslkit.types import Batch


@dataclass(frozen=True)
class Shape:
    """The settings that all stacks of blocks have."""

    blocks: int = field(default=12, metadata={"help": "number of blocks"})
    width: int = field(default=128, metadata={"help": "numbers per token"})
    expansion: int = field(default=4, metadata={"help": "feed-forward width over width"})
    dropout: float = field(default=0.0, metadata={"help": "share of activations dropped, 0 to 1"})
    causal: bool = field(
        default=False, metadata={"help": "know earlier tokens only; the objective decides it"}
    )
    norm: _norms.Kind = field(
        default="layer",
        metadata={"help": "layer, rms and group see one token; batch all of a micro-batch"},
    )
    norm_groups: int = field(default=4, metadata={"help": "groups of channels of norm=group"})

    def __post_init__(self) -> None:
        for name in ("blocks", "width", "expansion", "norm_groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is from 0 to below 1, not {self.dropout}")
        if self.norm == "group" and self.width % self.norm_groups:
            raise ValueError(
                f"width {self.width} is not a multiple of {self.norm_groups} norm_groups"
            )

        if self.norm == "batch" and self.causal:
            raise ValueError(
                "norm=batch tells a token of later ones, by their mean, and the objective "
                "forbids it; layer, rms and group do not"
            )

    def normed(self) -> _norms.Norm:
        """A new norm of the kind that is chosen."""
        return _norms.of(self.norm, self.width, self.norm_groups)


class Block(nn.Module):
    """A residual block: what mixes tokens, its own of each model, and then each token's own half.

    Args:
        mixing: the modules of the first half, by name.
    """

    def __init__(self, settings: Shape, **mixing: nn.Module) -> None:
        super().__init__()
        width = settings.width
        self.drop = settings.dropout
        for name, module in mixing.items():
            self.add_module(name, module)
        self.norm_mlp = settings.normed()
        self.up = nn.Linear(width, settings.expansion * width, bias=False)
        self.down = nn.Linear(settings.expansion * width, width, bias=False)

    def finished(self, x_xd: Tensor, mixed_xd: Tensor, real: Tensor | None) -> Tensor:
        """The output of the block, [X, D], of its input and of what its first half made of it."""
        x_xd = x_xd + self._dropped(mixed_xd)
        hidden = functional.gelu(self.up(self.norm_mlp(x_xd, real)))
        return x_xd + self._dropped(self.down(hidden))

    def _dropped(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.drop, self.training) if self.drop else x


class Blocks(TokenEncoder):
    """Token vectors, a learned vector before the first, pre-norm residual blocks, a last norm.

    Args:
        blocks: in order; where they are made one by one, that is after the token vectors.
    """

    def __init__(self, settings: Shape, spec: Spec, blocks: Iterable[Block]) -> None:
        super().__init__()
        self.width = settings.width
        self.depth = settings.blocks
        self.causal = settings.causal
        self.across_rows = settings.norm == "batch"
        tokens = token_ids(spec)
        self.table = TokenTable(tokens.total, settings.width, tokens.parts)
        self.start = nn.Parameter(torch.zeros(settings.width))
        self.blocks = nn.ModuleList(blocks)
        self.norm = settings.normed()
        self._initialise()

    def _initialise(self) -> None:
        # Radford et al. 2019: outputs of residual branches shrink with depth. What opens and shuts
        # a gate keeps its input's scale: smaller, gates that do nothing are slow to learn to.
        stds = dict.fromkeys(("out", "down"), 0.02 / math.sqrt(2 * self.depth))
        stds |= {"enter": self.width**-0.5, "qkv": 0.02, "up": 0.02}
        nn.init.normal_(self.start, std=0.02)
        for name, module in self.blocks.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=stds[name.rpartition(".")[2]])

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """Parameters from the input to the output, by name: what ``--freeze`` counts."""
        named = [("embeddings", [self.start, *self.table.parameters()])]
        for number, block in enumerate(self.blocks, 1):
            named.append((f"block {number}", list(block.parameters())))
        return [*named, ("final norm", list(self.norm.parameters()))]


class Stack(Blocks):
    """An encoder whose blocks mix padded rows, at a cost that grows linearly with them.

    Args:
        mixers: one for each block; called with ``x`` [B, L, D] and ``inside`` [B, L, 1], False at
            padding, or None where there is none, it gives [B, L, D] and lets padding have no
            influence on what is not.
    """

    def __init__(self, settings: Shape, spec: Spec, mixers: Sequence[nn.Module]) -> None:
        super().__init__(settings, spec, (_Mixing(settings, mixer) for mixer in mixers))

    def with_start(self, batch: Batch, layer: int | None = None) -> Tensor:
        """See ``TokenEncoder``. The last block's states come after the final norm."""
        tokens, length = batch["tokens"], batch["length"]
        last = self.depth if layer is None else layer
        x_bld = torch.cat(
            [self.start.expand(len(tokens), 1, -1), functional.embedding(tokens, self.table())],
            dim=1,
        )
        if torch.is_autocast_enabled(tokens.device.type):
            x_bld = x_bld.to(torch.get_autocast_dtype(tokens.device.type))
        inside = within(length, x_bld.shape[1])
        for block in self.blocks[:last]:
            x_bld = self.through(block, x_bld, inside)
        if last == self.depth:
            x_bld = self.norm(x_bld, inside)
        return x_bld


def within(length: Tensor, columns: int) -> Tensor | None:
    """False at padding, [B, L, 1]; None where there is none. The start vector is real."""
    if bool((length == columns - 1).all()):
        return None
    position = torch.arange(columns, device=length.device)
    return (position <= length[:, None])[..., None]


class _Mixing(Block):
    norm_mixer: nn.Module
    mixer: nn.Module

    def __init__(self, settings: Shape, mixer: nn.Module) -> None:
        super().__init__(settings, norm_mixer=settings.normed(), mixer=mixer)

    def forward(self, x_bld: Tensor, inside: Tensor | None) -> Tensor:
        mixed_bld = self.mixer(self.norm_mixer(x_bld, inside), inside)
        return self.finished(x_bld, mixed_bld, inside)
