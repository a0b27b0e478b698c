"""Units of sequences that are longer than the memory."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sslkit.files.letters import Letters
from sslkit.types import Array


class LongUnits:
    """The units of a long sequence, made of its letters where they are looked at.

    Stands for a 1-D array where stretches are taken of it and its length is asked for. As a whole
    it becomes one.

    Args:
        convert: units of some letters, one each.
    """

    def __init__(self, letters: Letters, convert: Callable[[bytes], Array]) -> None:
        self._letters = letters
        self._convert = convert

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The type of a unit."""
        return self._convert(b"").dtype

    def __len__(self) -> int:
        return len(self._letters)

    def __getitem__(self, part: slice) -> Array:
        return self._convert(self._letters[part])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        del copy
        return self[:].astype(dtype or self.dtype)
