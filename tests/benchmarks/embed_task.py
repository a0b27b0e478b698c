"""What all sides of bench_embed.py share: the shape and the records."""

from typing import Any

import numpy as np

BLOCKS, WIDTH, HEADS, K, CONTEXT = 6, 256, 8, 3, 1024


def records(count: int) -> list[np.ndarray[Any, Any]]:
    """Base codes of lognormal length, about 300 on average."""
    draw = np.random.default_rng(1)
    sizes = np.clip(draw.lognormal(5.5, 0.6, count).astype(int), 20, CONTEXT)
    return [draw.integers(0, 4, size, dtype=np.uint8) for size in sizes]


def tokens(count: int) -> int:
    """How many k-mers so many records have."""
    return sum(len(one) - K + 1 for one in records(count))
