"""Training speed against encoders of transformers of the same shape, on one core.

    python tests/benchmarks/bench_pretrain.py --peer /path/to/venv/bin/python
    python tests/benchmarks/bench_pretrain.py --peer ... --quality 60

Six blocks of 256, 4096 tokens a step, 4096 kinds of tokens. Ours is the real loop (engine.loop,
with its log, clipping and batches from shards on disk), the peers are plain loops with AdamW; all
hide 15% of the tokens. Lengths are 128, 512 and lognormal; there the peers get records of like
length together, and only tokens that are not padding count. Rounds of all sides are interleaved,
so that a busy machine slows them alike; shown are medians, and the median ratio with its range
over the rounds. With --quality every side trains for so many processor seconds, and the loss on
the same held-out tokens is shown. The peers' Python needs transformers and torch.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from race import Side, run, spread, table

HERE = Path(__file__).parent
PRECISIONS = ("fp32", "bf16")
RATES = (1e-3, 3e-4)


def words(python: str, script: str, *asked: str) -> list[str]:
    """The command line of one side."""
    return [python, str(HERE / script), *asked]


def race(peer: str, length: int, rounds: int, models: list[str]) -> list[Side]:
    """All sides at one length; 0 for records of many lengths."""
    given = ["512", "--grouped"] if not length else [str(length)]
    sides = [
        Side(f"sslkit {p}", words(sys.executable, "ours_pretrain.py", p, *given), ours=True)
        for p in PRECISIONS
    ]
    for model in models:
        for precision in PRECISIONS:
            asked = words(peer, "peer_pretrain.py", model, precision, *given)
            sides.append(Side(f"{model} {precision}", asked))
    return run(sides, rounds)


def quality(peer: str, seconds: float, racing: list[Side]) -> None:
    """The loss that each side reaches in the same time, at the better of two rates."""
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    print(f"\nHeld-out loss after {seconds:g} s of training at length 128\n")
    print("| | steps | rate | loss | seconds |\n|---|---|---|---|---|")
    for side in racing:
        steps = int(seconds / (statistics.median(side.costs) * 4096))
        *model, precision = side.name.split()
        asked = words(sys.executable, "ours_pretrain.py", precision, "128")
        if not side.ours:
            asked = words(peer, "peer_pretrain.py", *model, precision, "128")
        found = []
        for rate in RATES:
            done = subprocess.run(
                [*pinned, *asked, "--steps", str(steps), "--rate", str(rate)],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            loss, took = map(float, done.stdout.split()[-2:])
            found.append((loss, rate, took))
        loss, rate, took = min(found)
        print(f"| {side.name} | {steps} | {rate:g} | {loss:.3f} | {took:.0f} |", flush=True)


def main() -> None:
    """Parse, race, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", default=sys.executable, help="Python that has transformers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", type=int, nargs="+", default=[128, 512, 0])
    parser.add_argument("--models", nargs="+", default=["bert", "modernbert"])
    parser.add_argument("--quality", type=float, help="seconds of training for each side")
    asked = parser.parse_args()
    for length in asked.lengths:
        print(f"\nLength {length or '16 to 512, lognormal'}, {asked.rounds} rounds\n")
        racing = race(asked.peer, length, asked.rounds, asked.models)
        print("\n".join(table(racing, "tokens/s")))
        for side in racing:
            if side.ours:
                shares = spread([100 * share for share in side.shares], 2)
                print(f"\n{side.name}: {shares} % of a step is reading and preparing batches")
    if asked.quality:
        sides = race(asked.peer, 128, 2, asked.models[:1])
        quality(asked.peer, asked.quality, [one for one in sides if one.name != "sslkit fp32"])


if __name__ == "__main__":
    main()
