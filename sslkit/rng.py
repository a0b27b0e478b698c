"""Random numbers as a pure function of where they are used.

A number depends on seed, step, purpose, row and column and on nothing that was drawn before, so
a batch is the same however it is cut into micro-batches and processes, and a resumed run
continues exactly. The mixing function is the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
"""

import hashlib

import numpy as np
import numpy.typing as npt

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_FEISTEL_ROUNDS = 4

#: Drops the lowest bit of a key, for generators that take 63 bits.
SHIFT = np.uint64(1)


def key(*parts: int | str) -> np.uint64:
    """A 64-bit key that depends on every part and on their order."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))


def mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every value sent to another one by a fixed bijection that looks random."""
    z = values + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


class Counter:
    """Draws for a set of rows of one step; implements ``types.Draws``."""

    def __init__(self, seed: int, step: int, rows: npt.NDArray[np.int64]) -> None:
        self._seed = seed
        self._step = step
        self._rows = rows.astype(np.uint64)

    def uniform(self, purpose: str, columns: int) -> npt.NDArray[np.float32]:
        """Uniform numbers in [0, 1), shape [rows, columns]; float32 with 24 random bits."""
        start = mix(self._rows ^ key(self._seed, self._step, purpose))
        with np.errstate(over="ignore"):
            cells = start[:, None] + np.arange(columns, dtype=np.uint64) * _GAMMA
        bits = (mix(cells) >> np.uint64(40)).astype(np.float32)
        return bits * np.float32(2.0**-24)


def permute(index: npt.NDArray[np.int64], size: int, seed_key: np.uint64) -> npt.NDArray[np.int64]:
    """The positions of ``index`` in a random permutation of ``range(size)``, without a table.

    A balanced Feistel network over the next even power of two, walked until the value falls
    below ``size`` (Black & Rogaway 2002): memory does not grow with the size of the corpus.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    low = (np.uint64(1) << half) - np.uint64(1)
    keys = mix(seed_key + np.arange(_FEISTEL_ROUNDS, dtype=np.uint64))

    def once(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        left, right = values >> half, values & low
        for round_key in keys:
            left, right = right, left ^ (mix(right ^ round_key) & low)
        return (left << half) | right

    out = once(index.astype(np.uint64))
    while (outside := out >= np.uint64(size)).any():
        out[outside] = once(out[outside])
    return out.astype(np.int64)
