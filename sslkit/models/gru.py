"""Gated recurrent encoder: cost grows linearly with length, and so does what it can look back on.

A cell reads a row from the first token to the last, and another, where later tokens may be seen,
from the last to the first. The minimal cell (minGRU of Feng et al. 2024, "Were RNNs all we
needed?", eq. 4) takes its gate and its candidate from the token alone:

    z[t] = sigmoid(W x[t] + b)        h[t] = (1 - z[t]) h[t-1] + z[t] V x[t]

so that all gates are known before the first state and a row is run in chunks side by side. The
classic cell (Cho et al. 2014) also looks at its state, token after token: it is many times slower
where rows are long and few, and can follow what needs counting or nesting.

Shape suffixes: B rows, L tokens, D width.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.spec import Spec
from sslkit.models import _blocks
from sslkit.models._scan import scan

VERSION = 1
TAKES = frozenset({"tokens"})


@dataclass(frozen=True)
class Settings(_blocks.Shape):
    """Shape of the encoder."""

    cell: Literal["minimal", "classic"] = field(
        default="minimal",
        metadata={"help": "minimal: gates see the token; classic: the state too, far slower"},
    )
    memory: int = field(
        default=1024, metadata={"help": "tokens that the slowest channels span before training"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory < 2:
            raise ValueError(f"memory is at least 2, not {self.memory}")
        if self.width % 2:
            raise ValueError(f"width is even, one half for each direction, not {self.width}")


class Model(_blocks.Stack):
    """The encoder: a state is half of either direction, or, where causal, all of one."""

    def __init__(self, settings: Settings, spec: Spec) -> None:
        mixer = {"minimal": _Minimal, "classic": _Classic}[settings.cell]
        super().__init__(settings, spec, [mixer(settings) for _ in range(settings.blocks)])
        self.settings = settings


def _resistance(memory: int, channels: int) -> Tensor:
    """Bias of a gate that keeps, [channels]: time scales from 2 tokens to ``memory``.

    A channel that keeps 1 - 1/T of its state forgets within about T tokens, and what is forgotten
    at first teaches nothing (Tallec & Ollivier 2018); here T grows by equal factors.
    """
    scale = torch.exp(torch.linspace(math.log(2), math.log(memory), channels))
    return torch.log(scale - 1)


class _Minimal(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.causal = settings.causal
        self.enter = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        directions = 1 if settings.causal else 2
        resistance = _resistance(settings.memory, width // directions)
        self.resistance = nn.Parameter(resistance.repeat(directions))

    def forward(self, x_bld: Tensor, inside: Tensor | None) -> Tensor:
        keep, candidate, gate = self.enter(x_bld).chunk(3, dim=-1)
        # Under autocast too: in bfloat16 nothing lies between keeping 255/256 and keeping all.
        to_float32 = torch.promote_types(x_bld.dtype, torch.float32)
        keep = torch.sigmoid(keep.to(to_float32) + self.resistance.to(to_float32))
        candidate = candidate.to(to_float32)
        add = candidate - keep * candidate
        if self.causal:
            states = scan(keep, add)
        else:
            if inside is not None:
                # Backwards, padding is read first: what stands there adds nothing.
                add = add.masked_fill(~inside, 0.0)
            (keep_1, keep_2), (add_1, add_2) = keep.chunk(2, dim=-1), add.chunk(2, dim=-1)
            states = torch.cat([scan(keep_1, add_1), scan(keep_2, add_2, backwards=True)], -1)
        mixed: Tensor = self.out(states.to(gate.dtype) * functional.silu(gate))
        return mixed


class _Classic(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        directions = 1 if settings.causal else 2
        channels = width // directions
        self.cells = nn.ModuleList(
            nn.GRU(width, channels, batch_first=True) for _ in range(directions)
        )
        self.out = nn.Linear(width, width, bias=False)
        for name, parameter in self.cells.named_parameters():
            if name.endswith("bias_hh_l0"):
                # The second third of it belongs to the gate that keeps.
                parameter.data[channels : 2 * channels] = _resistance(settings.memory, channels)

    def forward(self, x_bld: Tensor, inside: Tensor | None) -> Tensor:
        with torch.autocast(x_bld.device.type, enabled=False):
            to_float32 = x_bld.to(torch.promote_types(x_bld.dtype, torch.float32))
            states = [self.cells[0](to_float32)[0]]
            for cell in self.cells[1:]:
                states.append(_turn(cell(_turn(to_float32, inside))[0], inside))
        mixed: Tensor = self.out(torch.cat(states, dim=-1).to(x_bld.dtype))
        return mixed


def _turn(x_bld: Tensor, inside: Tensor | None) -> Tensor:
    """Every row from its last token to its first; padding stays where it is."""
    if inside is None:
        return x_bld.flip(1)
    position = torch.arange(x_bld.shape[1], device=x_bld.device)[:, None]
    mirrored = inside.sum(1, keepdim=True) - 1 - position
    return x_bld.gather(1, torch.where(inside, mirrored, position).expand_as(x_bld))
