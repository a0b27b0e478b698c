"""Which records repeat earlier ones, found by hashes in bounded memory."""

import array
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: A safe prime p, so that 256 has a large order modulo p; of two digits of Python's integers.
_PRIME = 765649858356721967
_HASH_BYTES = 8
#: Different records that are told apart exactly; 24 bytes each.
EXACT = 2**20


class Fingerprint:
    """Hashes of a sequence that comes in pieces, and of its mirror image.

    The polynomials of Karp & Rabin (1987), modulo a prime: that of a mirror image grows at its
    other end, so both are known after one pass.
    """

    def __init__(self) -> None:
        self._forward = self._backward = self._size = 0

    def add(self, piece: bytes, mirrored: bytes | None = None) -> None:
        """The next piece; ``mirrored`` is what its bytes are in the mirror (their complements)."""
        shift = pow(256, len(piece), _PRIME)
        self._forward = (self._forward * shift + int.from_bytes(piece, "big")) % _PRIME
        if mirrored is not None:
            place = pow(256, self._size, _PRIME)
            part = int.from_bytes(mirrored, "little") % _PRIME
            self._backward = (self._backward + part * place) % _PRIME
        self._size += len(piece)

    def exact(self) -> int:
        """Equal for equal sequences; 64 bits."""
        return hashed(f"{self._size}:{self._forward}".encode())

    def either(self) -> int:
        """Equal for equal sequences and for mirror images; 64 bits."""
        return hashed(f"{self._size}:{min(self._forward, self._backward)}".encode())


def hashed(text: bytes) -> int:
    """64 bits of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=_HASH_BYTES).digest(), "big")


@dataclass(frozen=True)
class Repeated:
    """What was found.

    Attributes:
        count: records that repeat an earlier one; an estimate unless ``exact``.
        example: number of the first such record and of the one it repeats; None without any.
    """

    count: int
    exact: bool
    example: tuple[int, int] | None


class Repeats:
    """Counts records whose hash was seen before.

    As many different hashes as ``limit`` are kept. Beyond them only those whose lowest bit is 0
    are, then those whose lowest two bits are, and so on: equal records stay or go together, so
    the count is right on average, whatever the number of records.
    """

    def __init__(self, limit: int = EXACT) -> None:
        self._limit = limit
        self._level = 0
        self._hashes: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._first: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._extra: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._waiting = array.array("Q")
        self._numbers = array.array("q")
        self._example: tuple[int, int] | None = None

    def add(self, value: int, number: int) -> None:
        """The hash of the record of that number."""
        if value & ((1 << self._level) - 1):
            return
        self._waiting.append(value)
        self._numbers.append(number)
        if len(self._waiting) >= self._limit:
            self._fold()

    def found(self) -> Repeated:
        """What has been found so far."""
        self._fold()
        return Repeated(int(self._extra.sum()) << self._level, not self._level, self._example)

    def _fold(self) -> None:
        """Join what waits with what is kept, each hash once; thin it out where it is too much."""
        hashes = np.concatenate([self._hashes, np.frombuffer(self._waiting, np.uint64)])
        numbers = np.concatenate([self._first, np.frombuffer(self._numbers, np.int64)])
        extra = np.concatenate([self._extra, np.zeros(len(self._waiting), np.int64)])
        order = np.argsort(hashes, kind="stable")
        hashes, numbers, extra = hashes[order], numbers[order], extra[order]
        begins = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        if len(hashes):
            sizes = np.diff(begins, append=len(hashes))
            self._remember(numbers, begins, sizes)
            self._extra = np.add.reduceat(extra, begins) + sizes - 1
            self._hashes, self._first = hashes[begins], numbers[begins]
        while len(self._hashes) > self._limit:
            self._level += 1
            kept = self._hashes & np.uint64((1 << self._level) - 1) == 0
            self._hashes, self._first = self._hashes[kept], self._first[kept]
            self._extra = self._extra[kept]
        self._waiting, self._numbers = array.array("Q"), array.array("q")

    def _remember(
        self,
        numbers: npt.NDArray[np.int64],
        begins: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
    ) -> None:
        """Keep the first repeated record that was met."""
        again = begins[sizes > 1]
        if self._example is None and len(again):
            at = again[int(np.argmin(numbers[again + 1]))]
            self._example = int(numbers[at + 1]), int(numbers[at])
