"""Numeric arrays of MAT-files, versions 4 to 7, read in bounded memory and without foreign code.

A file of version 5 or later is a header of 128 bytes and elements, each of them a matrix or a
matrix compressed with zlib; a matrix holds flags, dimensions, a name and the values
(https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf). What is no array of numbers,
such as texts, cells and structures, is left out. Version 7.3 is HDF5 and is refused.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: The most that a file and what is compressed in it may take, in bytes.
MOST_BYTES = 2**28
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_COMPLEX = 0x08
_MOST_DIMENSIONS = 32
_HEAD_BYTES = 4096
_BLOCK_BYTES = 1 << 20
#: NumPy's types by number of a data type, and by number of an array class.
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
          13: "u8"}  # fmt: skip
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
            15: "u8"}  # fmt: skip
_OLD_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")

Array = npt.NDArray[Any]


def read(path: Path) -> dict[str, Array]:
    """The numeric arrays of a file by name; of two with one name the later one.

    Raises:
        ValueError: it is no MAT-file of versions 4 to 7, is damaged, or is larger than
            ``MOST_BYTES``; the message says which.
        OSError: it cannot be read.
    """
    content = bytearray()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            content += block
            if len(content) > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    data = bytes(content)
    if not data:
        raise ValueError("it is empty")
    if 0 in data[:4]:
        return dict(_old_matrices(data))
    if len(data) < _HEADER:
        raise ValueError("it ends within its header")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ValueError("it does not begin as MAT-files do")
    version = int.from_bytes(data[124:126], "little" if order == "<" else "big") >> 8
    if version != 1:
        why = "it is of version 7.3, which is HDF5" if version == 2 else "its version is not known"
        raise ValueError(f"{why}: save it with -v7")
    return dict(_matrices(data, order))


def _matrices(data: bytes, order: str) -> Iterator[tuple[str, Array]]:
    place, left = _HEADER, MOST_BYTES
    while place < len(data):
        kind, body, place = _element(data, place, order, padded=False)
        if kind == _COMPRESSED:
            body = _decompressed(body, order, left)
            left -= len(body)
        elif kind != _MATRIX:
            raise ValueError(f"it holds an element of type {kind} between its variables")
        variable = _variable(body, order)
        if variable is not None:
            yield variable


def _element(data: bytes, place: int, order: str, *, padded: bool = True) -> tuple[int, bytes, int]:
    """Type and content of an element, and where the next one begins."""
    if place + 8 > len(data):
        raise ValueError("it is cut off")
    first, size = (int(word) for word in np.frombuffer(data, f"{order}u4", 2, place))
    if first >> 16:  # up to four bytes stand in the second word
        kind, size, begin, end = first & 0xFFFF, first >> 16, place + 4, place + 8
        if size > 4:
            raise ValueError("a small element claims more than four bytes")
    else:
        kind, begin = first, place + 8
        end = begin + (size + 7) // 8 * 8 if padded else begin + size
    if begin + size > len(data):
        raise ValueError("it is cut off")
    return kind, data[begin : begin + size], min(end, len(data))


def _decompressed(data: bytes, order: str, most: int) -> bytes:
    """The content of the one matrix in a compressed element.

    Of a variable that is no array of numbers only the beginning.
    """
    inflate = zlib.decompressobj()
    try:
        head = inflate.decompress(data, _HEAD_BYTES)
        if len(head) < 8:
            raise ValueError("a compressed variable is empty")
        kind, size = (int(word) for word in np.frombuffer(head, f"{order}u4", 2))
        if kind != _MATRIX:
            raise ValueError("a compressed variable is no matrix")
        if len(head) >= 24 and head[16 if order == "<" else 19] not in _CLASSES:
            return head[8:]
        if size > most:
            raise ValueError(f"its variables take more than {MOST_BYTES:,} bytes")
        body = head[8:] + inflate.decompress(inflate.unconsumed_tail, max(1, 8 + size - len(head)))
    except zlib.error as error:
        raise ValueError(f"a compressed variable is damaged: {error}") from error
    if len(body) < size:
        raise ValueError("a compressed variable is cut off")
    if not inflate.eof:
        # The checksum stands behind the content.
        inflate.decompress(inflate.unconsumed_tail, 1)
    if not inflate.eof:
        raise ValueError("a compressed variable is longer than it says, or cut off")
    return body[:size]


def _variable(body: bytes, order: str) -> tuple[str, Array] | None:
    """Name and values of a matrix; None where it holds no numbers, or has no name."""
    if not body:
        return None
    _, flags, place = _element(body, 0, order)
    if len(flags) != 8:
        raise ValueError("the flags of a variable are damaged")
    flag = int(np.frombuffer(flags, f"{order}u4", 1)[0])
    if flag & 0xFF not in _CLASSES:
        return None
    kind, sizes, place = _element(body, place, order)
    if kind != 5 or len(sizes) % 4 or len(sizes) > 4 * _MOST_DIMENSIONS:
        raise ValueError("the dimensions of a variable are damaged")
    shape = [int(size) for size in np.frombuffer(sizes, f"{order}i4")]
    _, name, place = _element(body, place, order)
    values, place = _values(body, place, order, shape)
    if (flag >> 8) & _COMPLEX:
        imaginary, place = _values(body, place, order, shape)
        return name.decode("latin-1"), values + 1j * imaginary
    with np.errstate(invalid="ignore"):
        values = values.astype(_CLASSES[flag & 0xFF])
    return (name.decode("latin-1"), values) if name else None


def _values(body: bytes, place: int, order: str, shape: list[int]) -> tuple[Array, int]:
    """Values as they are stored, in their shape, and where the next element begins."""
    kind, data, place = _element(body, place, order)
    if kind not in _TYPES:
        raise ValueError(f"values of type {kind} are not known")
    return _shaped(data, np.dtype(order + _TYPES[kind]), shape), place


def _shaped(data: bytes, dtype: np.dtype[Any], shape: list[int]) -> Array:
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("the values of a variable do not fill its dimensions")
    return np.frombuffer(data, dtype).reshape(shape, order="F")


def _old_matrices(data: bytes) -> Iterator[tuple[str, Array]]:
    """Variables of version 4: five numbers, a name and values, each."""
    place = 0
    while place < len(data):
        head = np.frombuffer(data[place : place + 20], "u1")
        if len(head) < 20:
            raise ValueError("it is cut off, or is no MAT-file")
        order = "<" if int(head[:4].view("<u4")[0]) < 5000 else ">"
        code, rows, columns, imaginary, letters = head.view(f"{order}i4").tolist()
        machine, reserved, kind, matrix = (code // 10**power % 10 for power in (3, 2, 1, 0))
        if code < 0 or machine > 1 or reserved or kind >= len(_OLD_TYPES) or matrix > 2:
            raise ValueError("it does not begin as MAT-files do")
        if min(rows, columns, letters) < 0 or imaginary not in (0, 1):
            raise ValueError("the dimensions of a variable are damaged")
        dtype = np.dtype(order + _OLD_TYPES[kind])
        begin = place + 20 + letters
        size = rows * columns * dtype.itemsize
        place = begin + size * (1 + imaginary)
        if place > len(data):
            raise ValueError("it is cut off")
        if matrix == 0:
            name = data[begin - letters : begin].partition(b"\0")[0].decode("latin-1")
            values = _shaped(data[begin : begin + size], dtype, [rows, columns])
            if imaginary:
                values = values + 1j * _shaped(data[begin + size : place], dtype, [rows, columns])
            yield name, values
