"""Columns between NumPy and Arrow without copying.

Arrow's own conversions would load pandas with the first number, which takes longer than counting a
small corpus.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Index: TypeAlias = npt.NDArray[np.int64]


def integers(values: npt.NDArray[np.int64]) -> pa.Array:
    """Numbers as Arrow has them."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Numbers or truth values, none of them missing, as NumPy has them."""
    held = column.buffers()[1]
    if pa.types.is_boolean(column.type):
        bits = np.unpackbits(np.frombuffer(held, np.uint8), bitorder="little")
        return bits[column.offset : column.offset + len(column)].view(np.bool_)
    found = np.frombuffer(held, column.type.to_pandas_dtype(), column.offset + len(column))
    return found[column.offset :]


def contents(column: pa.Array) -> tuple[Index, npt.NDArray[np.uint8]]:
    """Offsets [rows + 1] and the bytes between the first and the last of a binary column."""
    _, offsets, data = column.buffers()
    size = np.dtype(np.int64 if pa.types.is_large_binary(column.type) else np.int32)
    at = np.frombuffer(offsets, size)[column.offset : column.offset + len(column) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    letters = letters[int(at[0]) : int(at[-1])]
    return at.astype(np.int64), letters


def binary(offsets: Index, letters: npt.NDArray[np.uint8]) -> pa.Array:
    """A large binary column from offsets that begin at 0, and bytes."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.large_binary(), max(len(offsets) - 1, 0), buffers)
