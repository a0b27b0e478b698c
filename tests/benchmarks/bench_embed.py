"""Embedding speed against an ESM encoder of transformers of the same shape, on one core.

    python tests/benchmarks/bench_embed.py --peer /path/to/venv/bin/python

Both embed the same records of lognormal length: ours by engine.inference, the peer in batches of
32, as the records come (what a first script does) and sorted by length. Rounds of all sides are
interleaved, so that a busy machine slows them alike; shown are medians, and the median ratio with
its range over the rounds. The peer's Python needs transformers and torch; it is left out, by
name, where they are missing.
"""

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from embed_task import BLOCKS, CONTEXT, HEADS, WIDTH, K, records, serve

from sslkit.domains import genome
from sslkit.engine import inference, runtime
from sslkit.engine.windows import Plan
from sslkit.models import transformer
from sslkit.vocab.vocabulary import Vocabulary

HERE = Path(__file__).parent
ORDERS = ("as they come", "sorted")


def serve_ours(count: int, precision: str, batch_tokens: int) -> None:
    """Serve rounds of engine.inference."""
    where = runtime.prepare("cpu", 1, precision)
    words = ["".join("ACGT"[n // 4**p % 4] for p in reversed(range(K))) for n in range(4**K)]
    domain = genome.Domain(genome.Settings(k=K), Vocabulary(words, np.ones(4**K, np.int64)))
    torch.manual_seed(1)
    shape = transformer.Settings(blocks=BLOCKS, width=WIDTH, heads=HEADS)
    model = transformer.Model(shape, domain.spec).eval()
    plan = Plan("mean", BLOCKS, CONTEXT, 0, batch_tokens=batch_tokens)
    examples = records(count)
    serve(lambda _: [*inference.embed(model, domain, examples, plan, where)].clear())


class Side:
    """One side of the race, a process of its own."""

    def __init__(self, name: str, words: list[str], order: str = "") -> None:
        self.name, self.order, self.seconds = name, order, list[float]()
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

    def round(self) -> float:
        """Seconds of one more round."""
        assert self.process.stdin is not None
        print(self.order, file=self.process.stdin, flush=True)
        return float(self.line())


def sides(peer: str, count: int, budgets: list[int]) -> list[Side]:
    """All sides that can start."""
    found = []
    for budget in budgets:
        for precision in ("fp32", "bf16"):
            words = [sys.executable, str(Path(__file__)), "--serve", precision]
            words += ["--records", str(count), "--batch-tokens", str(budget)]
            found.append(Side(f"sslkit {precision}, batches of {budget}", words))
    for order in ORDERS:
        words = [peer, str(HERE / "peer_embed.py"), str(count)]
        found.append(Side(f"transformers ESM, {order}", words, order))
    for side in list(found):
        if side.line() != "ready":
            print(f"{side.name}: does not start, is transformers there? Left out.")
            found.remove(side)
    return found


def main() -> None:
    """Parse, race, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", default=sys.executable, help="Python that has transformers")
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[2048])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve_ours(asked.records, asked.serve, asked.batch_tokens[0])
        return
    tokens = sum(len(one) - K + 1 for one in records(asked.records))
    with ExitStack() as stack:
        racing = sides(asked.peer, asked.records, asked.batch_tokens)
        for side in racing:
            stack.callback(side.process.terminate)
            side.round()  # Warms caches and allocator.
        for _ in range(asked.rounds):
            for side in racing:
                side.seconds.append(side.round())
    print(f"{asked.records} records, {tokens} tokens, {BLOCKS} blocks of {WIDTH}, one core")
    peers = [side for side in racing if side.order]
    for side in racing:
        shown = [f"{side.name:32}{tokens / statistics.median(side.seconds):8.0f} tokens/s"]
        for other in [] if side.order else peers:
            ratio = [b / a for a, b in zip(side.seconds, other.seconds, strict=True)]
            middle = statistics.median(ratio)
            shown.append(f"{middle:.1f} x {other.order} ({min(ratio):.1f} to {max(ratio):.1f})")
        print(", ".join(shown))


if __name__ == "__main__":
    main()
