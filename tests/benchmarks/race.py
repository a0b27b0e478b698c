"""Programs run in turn: each side a process of its own, rounds on request, ratios with spread."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence


def requests() -> Iterator[str]:
    """Say that all is ready, on one core, and give the line that asks for each round."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print("ready", flush=True)
    for line in sys.stdin:
        yield line.strip()


def answer(seconds: float, amount: float, share: float = 0.0) -> None:
    """Tell what a round took and how much it did; ``share`` is any part of it, 0 to 1."""
    print(seconds, amount, share, flush=True)


def serve(once: Callable[[str], float]) -> None:
    """Run a round for each request; ``once`` gives how much it did.

    Processor time of a single thread is wall time on an idle core, and suffers less from a busy
    one.
    """
    for line in requests():
        start = time.process_time()
        amount = once(line)
        answer(time.process_time() - start, amount)


class Side:
    """One side of the race, a process of its own.

    Attributes:
        ours: whether it is what the others are compared with.
        costs: processor seconds for one of what is done, a number for each round.
        shares: what each round told beside.
    """

    def __init__(self, name: str, words: Sequence[str], order: str = "", ours: bool = False):
        self.name, self.order, self.ours = name, order, ours
        self.costs, self.shares = list[float](), list[float]()
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )

    def line(self) -> str:
        """What the process says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def round(self) -> tuple[float, float]:
        """One more round: its cost and its share."""
        assert self.process.stdin is not None
        print(self.order, file=self.process.stdin, flush=True)
        seconds, amount, share = map(float, self.line().split())
        return seconds / amount, share


def run(sides: Sequence[Side], rounds: int) -> list[Side]:
    """Let all sides that start race, a first round unseen; those that do not are told."""
    racing = []
    try:
        for side in sides:
            if side.line() == "ready":
                side.round()  # Warms caches and allocator.
                racing.append(side)
            else:
                print(f"{side.name}: does not start, is its package there? Left out.")
        for _ in range(rounds):
            for side in racing:
                cost, share = side.round()
                side.costs.append(cost)
                side.shares.append(share)
    finally:
        for side in sides:
            side.process.terminate()
    return racing


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range."""
    return (
        f"{statistics.median(values):.{digits}f} "
        f"({min(values):.{digits}f} to {max(values):.{digits}f})"
    )


def table(racing: Sequence[Side], what: str) -> Iterator[str]:
    """A row for each side; how many times as fast each of ours is as each peer, round by round."""
    ours = [side for side in racing if side.ours]
    yield f"| | {what} | " + " | ".join(f"{side.name} is faster" for side in ours) + " |"
    yield "|---" * (2 + len(ours)) + "|"
    for side in racing:
        cells = [side.name, f"{1 / statistics.median(side.costs):,.0f}"]
        for one in ours:
            ratios = [b / a for a, b in zip(one.costs, side.costs, strict=True)]
            cells.append("1" if one is side else spread(ratios, 2))
        yield f"| {' | '.join(cells)} |"
