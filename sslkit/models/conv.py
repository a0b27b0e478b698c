"""Dilated convolution encoder: linear cost, and a receptive field that the settings fix.

Every block passes each channel through a few taps, `dilation` tokens apart, and lets the token
itself gate the result. Dilations double from block to block, 1, 2, 4 ..., and begin again after
`cycle` blocks (van den Oord et al. 2016, WaveNet; Kalchbrenner et al. 2016, ByteNet; gates after
Dauphin et al. 2017). Taps stand on both sides of a token, or where causal on it and before it, so
a state depends on tokens within

    receptive field = (kernel - 1) / 2 x the sum of the dilations

to each side, or twice as many back; what lies further it cannot know, however long it is trained.

Shape suffixes: B rows, L tokens, D width, K taps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.spec import Spec
from sslkit.models import _blocks

VERSION = 1
TAKES = frozenset({"tokens"})

#: Tokens that pass all taps before the next ones do: their numbers stay in the cache meanwhile.
_TILE = 512


@dataclass(frozen=True)
class Settings(_blocks.Shape):
    """Shape of the encoder."""

    kernel: int = field(default=5, metadata={"help": "taps of a convolution, an odd number"})
    cycle: int = field(
        default=8, metadata={"help": "blocks until dilations, 1, 2, 4 ..., begin again"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.kernel, self.cycle) < 1:
            raise ValueError(f"kernel and cycle are at least 1, not {self.kernel} and {self.cycle}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is odd, not {self.kernel}")

    @property
    def dilations(self) -> tuple[int, ...]:
        """Tokens between the taps of each block."""
        return tuple(2 ** (block % self.cycle) for block in range(self.blocks))

    @property
    def receptive_field(self) -> int:
        """How far off a token can stand that a state depends on, to each side or back."""
        taps = self.kernel - 1 if self.causal else self.kernel // 2
        return taps * sum(self.dilations)


class Model(_blocks.Stack):
    """The encoder."""

    def __init__(self, settings: Settings, spec: Spec) -> None:
        super().__init__(settings, spec, [_Gated(settings, one) for one in settings.dilations])
        self.settings = settings
        self.receptive_field = settings.receptive_field


class _Gated(nn.Module):
    def __init__(self, settings: Settings, dilation: int) -> None:
        super().__init__()
        width, kernel = settings.width, settings.kernel
        first = 1 - kernel if settings.causal else -(kernel // 2)
        self.causal = settings.causal
        self.offsets = tuple(dilation * (first + tap) for tap in range(kernel))
        self.enter = nn.Linear(width, 2 * width, bias=False)
        self.taps = nn.Parameter(torch.randn(kernel, width) / kernel**0.5)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x_bld: Tensor, inside: Tensor | None) -> Tensor:
        value, gate = self.enter(x_bld).chunk(2, dim=-1)
        if inside is not None and not self.causal:
            value = value.masked_fill(~inside, 0.0)
        # Sums of shifted bfloat16 are slower than those of float32, and coarse.
        to_float32 = torch.promote_types(x_bld.dtype, torch.float32)
        mixed = convolve(value.to(to_float32), self.taps.to(to_float32), self.offsets)
        mixed_bld: Tensor = self.out(mixed.to(gate.dtype) * functional.silu(gate))
        return mixed_bld


def convolve(x_bld: Tensor, taps_kd: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Sums over k of taps[k] x[t + offsets[k]], channel by channel, 0 beyond the ends; [B, L, D].

    Written out because torch's depthwise kernels take two to five times as long when dilated.
    """
    return _convolve(x_bld, taps_kd, offsets)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        x_bld: Tensor,
        taps_kd: Tensor,
        offsets: tuple[int, ...],
    ) -> Tensor:
        context.save_for_backward(x_bld, taps_kd)
        context.offsets = offsets
        return _shifted_sum(x_bld, taps_kd, offsets)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x_bld, taps_kd = context.saved_tensors
        offsets = context.offsets
        back = _shifted_sum(gradient, taps_kd, tuple(-offset for offset in offsets))
        taps = torch.zeros_like(taps_kd)
        for tap, here, there in _tiles(x_bld, offsets):
            taps[tap] += (gradient[:, here] * x_bld[:, there]).sum((0, 1))
        return back, taps, None


_convolve: Callable[..., Tensor] = _Convolve.apply


def _shifted_sum(x_bld: Tensor, taps_kd: Tensor, offsets: tuple[int, ...]) -> Tensor:
    mixed = torch.zeros_like(x_bld)
    for tap, here, there in _tiles(x_bld, offsets):
        mixed[:, here].addcmul_(x_bld[:, there], taps_kd[tap])
    return mixed


def _tiles(x_bld: Tensor, offsets: tuple[int, ...]) -> list[tuple[int, slice, slice]]:
    """Tap by tap within each tile: the columns that it reaches, and those that it reads."""
    rows, length, _ = x_bld.shape
    step = max(1, _TILE // max(rows, 1))
    found = []
    for begin in range(0, length, step):
        for tap, offset in enumerate(offsets):
            first, end = max(begin, -offset), min(begin + step, length, length - offset)
            if first < end:
                found.append((tap, slice(first, end), slice(first + offset, end + offset)))
    return found
