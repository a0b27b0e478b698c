"""Embedding speed against ESM encoders of the same shape, on one core.

    python tests/benchmarks/bench_embed.py --peer /path/to/venv/bin/python

All embed the same records of lognormal length: ours by engine.inference, the peers (transformers
and fair-esm) in batches of 32, as the records come (what a first script does) and sorted by
length. Rounds of all sides are interleaved, so that a busy machine slows them alike; shown are
medians, and the median ratio with its range over the rounds. The peers' Python needs
transformers, fair-esm and torch; what is missing is left out, by name.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import race
import torch
from embed_task import BLOCKS, CONTEXT, HEADS, WIDTH, K, records, tokens

from sslkit.domains import genome
from sslkit.engine import runtime
from sslkit.inference import encode
from sslkit.inference.windows import Plan
from sslkit.models import transformer
from sslkit.vocab.vocabulary import Vocabulary

HERE = Path(__file__).parent
ORDERS = ("as they come", "sorted")


def serve_ours(count: int, precision: str, batch_tokens: int) -> None:
    """Serve rounds of engine.inference."""
    where = runtime.prepare("cpu", 1, precision)
    words = ["".join("ACGT"[n // 4**p % 4] for p in reversed(range(K))) for n in range(4**K)]
    kmers = genome.Settings(k=K, stride=1)
    domain = genome.Domain(kmers, Vocabulary(words, np.ones(4**K, np.int64)))
    torch.manual_seed(1)
    shape = transformer.Settings(blocks=BLOCKS, width=WIDTH, heads=HEADS)
    model = transformer.Model(shape, domain.spec).eval()
    plan = Plan("mean", BLOCKS, CONTEXT, 0, batch_tokens=batch_tokens)
    examples = records(count)

    def once(_: str) -> float:
        list(encode.embed(model, domain, examples, plan, where))
        return tokens(count)

    race.serve(once)


def sides(peer: str, count: int, budgets: list[int], bf16: bool) -> list[race.Side]:
    """All sides."""
    found = []
    for budget in budgets:
        for precision in ("fp32", "bf16"):
            words = [sys.executable, str(Path(__file__)), "--serve", precision]
            words += ["--records", str(count), "--batch-tokens", str(budget)]
            name = f"sslkit {precision}, batches of {budget}"
            found.append(race.Side(name, words, ours=True))
    for library in ("transformers", "fair-esm"):
        words = [peer, str(HERE / "peer_embed.py"), library, str(count)]
        for order in ORDERS:
            for precision in ("fp32", "bf16") if bf16 else ("fp32",):
                asked = f"{order}, {precision}"
                found.append(race.Side(f"{library} {asked}", words, asked))
    return found


def main() -> None:
    """Parse, race, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", default=sys.executable, help="Python that has the peers")
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[2048])
    parser.add_argument("--bf16", action="store_true", help="the peers in bf16 too")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve_ours(asked.records, asked.serve, asked.batch_tokens[0])
        return
    racing = race.run(
        sides(asked.peer, asked.records, asked.batch_tokens, asked.bf16), asked.rounds
    )
    count = tokens(asked.records)
    print(f"{asked.records} records, {count} tokens, {BLOCKS} blocks of {WIDTH}, one core\n")
    print("\n".join(race.table(racing, "tokens/s")))


if __name__ == "__main__":
    main()
