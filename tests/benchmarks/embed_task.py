"""What both sides of bench_embed.py share: the shape, the records, and rounds on request."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BLOCKS, WIDTH, HEADS, K, CONTEXT = 6, 256, 8, 3, 1024


def records(count: int) -> list[np.ndarray[Any, Any]]:
    """Base codes of lognormal length, about 300 on average."""
    draw = np.random.default_rng(1)
    sizes = np.clip(draw.lognormal(5.5, 0.6, count).astype(int), 20, CONTEXT)
    return [draw.integers(0, 4, size, dtype=np.uint8) for size in sizes]


def serve(once: Callable[[str], None]) -> None:
    """Run a round for each line of stdin, on one core, and print its processor seconds.

    Processor time of a single thread is wall time on an idle core, and suffers less from a busy
    one.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.process_time()
        once(line.strip())
        print(time.process_time() - start, flush=True)
