"""What encoders are made of and promise, and how their output becomes one vector a record."""

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

#: How the tokens of a record become one vector.
Pooling: TypeAlias = Literal["mean", "first", "max"]


class Encoder(nn.Module, ABC):
    """Base of the encoders in ``models/``.

    Attributes:
        width: numbers per token in the output.
        depth: layers that can be asked for, from 0, the embeddings, to the last.
    """

    width: int
    depth: int

    @abstractmethod
    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """Parameters from the input to the output, by name; blocks are ``block 1``, ..."""

    @abstractmethod
    def forward(self, tokens: Tensor, length: Tensor, layer: int | None = None) -> Tensor:
        """Hidden states [B, L, width] of ids [B, L]; what is behind ``length`` is ignored."""


class TokenTable(nn.Module):
    """A vector for each token: one of its own, and the sum of its parts' where it has parts.

    A k-mer's bases say most of what it is; so k-mers that share bases share what is learned of
    them, as words share their character n-grams in Bojanowski et al. 2017 (eq. 3).
    """

    index: Tensor

    def __init__(self, rows: int, width: int, parts: npt.NDArray[np.int64] | None) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.empty(rows, width))
        nn.init.normal_(self.own, std=0.02)
        self.shared: nn.Parameter | None = None
        if parts is not None:
            self.shared = nn.Parameter(torch.empty(int(parts.max()) + 1, width))
            nn.init.normal_(self.shared, std=0.02)
            self.register_buffer("index", torch.from_numpy(parts), persistent=False)

    def forward(self) -> Tensor:
        """The vectors, [rows, width]; rows beyond those with parts are special tokens."""
        if self.shared is None:
            return self.own
        common = self.shared[self.index].sum(1)
        return self.own + functional.pad(common, (0, 0, 0, len(self.own) - len(common)))


def pool(hidden: Tensor, start: Tensor, stop: Tensor, pooling: Pooling) -> Tensor:
    """One vector for each row, over its tokens ``start <= position < stop`` only.

    Args:
        hidden: outputs of an encoder, [B, L, width]; anything may stand outside the range.
        start: [B] int64.
        stop: [B] int64, above ``start``.

    Returns:
        [B, width] float32; sums are taken in float32 whatever the type of ``hidden``.
    """
    if pooling == "first":
        return hidden[torch.arange(len(hidden), device=hidden.device), start].float()
    position = torch.arange(hidden.shape[1], device=hidden.device)
    outside = (position < start[:, None]) | (position >= stop[:, None])
    if pooling == "max":
        return hidden.float().masked_fill(outside[..., None], -torch.inf).amax(1)
    # Filled, not multiplied by zero: NaN times zero is NaN.
    total = hidden.float().masked_fill(outside[..., None], 0.0).sum(1)
    return total / (stop - start)[:, None]
