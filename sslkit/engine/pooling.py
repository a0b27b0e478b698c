"""From the outputs of an encoder to one vector for each record."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

#: How the tokens of a record become one vector.
Pooling: TypeAlias = Literal["mean", "first", "max"]
Vectors: TypeAlias = npt.NDArray[np.float32]


def pool(
    hidden: torch.Tensor, start: torch.Tensor, stop: torch.Tensor, pooling: Pooling
) -> torch.Tensor:
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


class Combined:
    """One vector of a record from those of its windows, each token counted once.

    ``mean`` weighs each window with its tokens, in float64; ``max`` takes the larger; ``first``
    keeps the first. A single window is handed through unchanged.
    """

    def __init__(self, pooling: Pooling) -> None:
        self._pooling = pooling
        self._vector: npt.NDArray[np.floating] | None = None
        self._tokens = 0

    def add(self, vector: Vectors, tokens: int) -> None:
        """Take in the next window: its vector [width], pooled over so many tokens."""
        if self._vector is None:
            self._vector, self._tokens = vector, tokens
        elif self._pooling == "max":
            self._vector = np.maximum(self._vector, vector)
        elif self._pooling == "mean":
            before = self._vector.astype(np.float64) * self._tokens
            self._tokens += tokens
            self._vector = (before + vector.astype(np.float64) * tokens) / self._tokens

    def state(self) -> dict[str, Any]:
        """What has been taken in of the present record, in plain types."""
        vector = None if self._vector is None else self._vector.astype(np.float64).tobytes().hex()
        return {"vector": vector, "tokens": self._tokens}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state``."""
        held = state["vector"]
        self._vector = None if held is None else np.frombuffer(bytes.fromhex(held), np.float64)
        self._tokens = state["tokens"]

    def take(self) -> Vectors | None:
        """The record's vector, [width]; None where it had no token. Begins the next record."""
        vector, self._vector, self._tokens = self._vector, None, 0
        return None if vector is None else vector.astype(np.float32)
