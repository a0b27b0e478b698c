"""Normalisation of token vectors: what brings every state back to one scale.

All have a weight for each channel and no bias. Layer norm (Ba et al. 2016), RMS norm (Zhang &
Sennrich 2019) and group norm (Wu & He 2018; here over the channels of one token) look at one token
alone. Batch norm (Ioffe & Szegedy 2015) takes mean and variance of every channel over all real
tokens of a micro-batch, so that rows see each other in training; in evaluation it takes running
means of them, which a checkpoint holds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import made_again, to_float32

Kind: TypeAlias = Literal["layer", "rms", "batch", "group"]

_EPSILON = 1e-5
#: How far running statistics move towards those of a batch.
_MOMENTUM = 0.1


class Norm(nn.Module, ABC):
    """A norm over the last dimension, which is called with what is real where it must know it."""

    @abstractmethod
    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """States [..., D] of the same type, at a scale of 1.

        Args:
            real: [..., 1], False at padding; None where there is none. Only batch norm looks at it.
        """


def of(kind: Kind, width: int, groups: int) -> Norm:
    """The chosen norm of so many channels; ``groups`` are those of group norm."""
    if kind == "group":
        return _Group(width, groups)
    others: dict[str, Callable[[int], Norm]] = {"layer": _Layer, "rms": _Rms, "batch": _Batch}
    return others[kind](width)


class _Weighted(Norm):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class _Layer(_Weighted):
    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        del real
        return functional.layer_norm(x, self.weight.shape, self.weight, None, _EPSILON)


class _Rms(_Weighted):
    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        del real
        exact = to_float32(x)
        scale = torch.rsqrt(exact.square().mean(-1, keepdim=True) + _EPSILON)
        return (exact * scale * self.weight).to(x.dtype)


class _Group(_Weighted):
    def __init__(self, width: int, groups: int) -> None:
        super().__init__(width)
        self.groups = groups

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        del real
        parts = x.reshape(*x.shape[:-1], self.groups, -1)
        normed = functional.layer_norm(parts, parts.shape[-1:], None, None, _EPSILON)
        return (normed.flatten(-2) * self.weight).to(x.dtype)


class _Batch(_Weighted):
    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        exact = to_float32(x)
        mean, variance = self.mean, self.variance
        # What is frozen stays what it was made, statistics included.
        if self.training and self.weight.requires_grad:
            mean, variance = _statistics(exact, real)
            self._follow(mean, variance)
        scale = torch.rsqrt(variance + _EPSILON) * self.weight
        return ((exact - mean) * scale).to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        if not made_again():
            self.mean.lerp_(mean.to(self.mean.dtype), _MOMENTUM)
            self.variance.lerp_(variance.to(self.variance.dtype), _MOMENTUM)


def _statistics(x: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over real tokens, [D] each."""
    x = x.flatten(0, -2)
    if real is None:
        return x.mean(0), x.var(0, correction=0)
    real = real.reshape(-1, 1)
    count = real.sum()
    mean = x.masked_fill(~real, 0.0).sum(0) / count
    return mean, (x - mean).masked_fill(~real, 0.0).square().sum(0) / count
