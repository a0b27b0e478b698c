"""One vector for each record from those of its windows."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.contracts.encoder import Pooling

Vectors: TypeAlias = npt.NDArray[np.float32]


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
