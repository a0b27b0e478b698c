"""Learning rate over the run, as a factor of its peak."""

import math


def cosine(step: int, steps: int, warmup: int, floor: float = 0.1) -> float:
    """Linear warm-up, then half a cosine down to ``floor`` (Loshchilov & Hutter 2017).

    Args:
        step: the step to come, from 0.
        steps: length of the run.
        warmup: steps until the peak.
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
