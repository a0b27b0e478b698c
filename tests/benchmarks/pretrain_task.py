"""What all sides of bench_pretrain.py share: the shape, the corpus, how much is hidden, the rate.

The corpus is made of motifs of 60 bases in random order, in records of one length or many; tokens
are 6-mers side by side, so that about 3,800 of the 4,096 occur, and each says what stands beside
it where a motif goes on.
"""

import math
from typing import Any

import numpy as np

BLOCKS, WIDTH, HEADS, K = 6, 256, 4, 6
SIZE = 4**K
TOKENS, LONGEST, HIDDEN, RATE = 4096, 512, 0.15, 1e-3
#: Steps of a round.
STEPS = 2
_MOTIFS, _MOTIF = 64, 60

Codes = np.ndarray[Any, np.dtype[np.uint8]]


def corpus(variable: bool) -> list[Codes]:
    """Base codes of records; of lognormal length, about 110 tokens, if ``variable``."""
    draw = np.random.default_rng(1)
    library = draw.integers(0, 4, (_MOTIFS, _MOTIF), dtype=np.uint8)
    if not variable:
        return [library[draw.integers(0, _MOTIFS, 400)].reshape(-1) for _ in range(200)]
    tokens = np.clip(draw.lognormal(4.5, 0.6, 10_000).astype(int), 16, LONGEST)
    letters = library[draw.integers(0, _MOTIFS, tokens.sum() * K // _MOTIF + 1)].reshape(-1)
    return np.split(letters[: tokens.sum() * K], np.cumsum(tokens * K)[:-1])


def held_out() -> Codes:
    """Base codes of what nobody trains on, [rows, bases] of 128 tokens each."""
    last = corpus(variable=False)[-1]
    rows = len(last) // (128 * K)
    return last[: rows * 128 * K].reshape(rows, -1)


def factor(step: int, steps: int) -> float:
    """Learning rate as a part of its peak: warm-up over a twentieth, then half a cosine."""
    warmup = max(1, round(0.05 * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
