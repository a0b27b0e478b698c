"""Our side of bench_pretrain.py: the real loop over batches from shards on disk."""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pretrain_task as task
import race
import torch

from sslkit import rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.data import batching, shards
from sslkit.data.windows import WindowExamples, Windows
from sslkit.domains import genome
from sslkit.engine import runtime
from sslkit.engine.distributed import ALONE
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner
from sslkit.engine.loop import Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan, Work
from sslkit.engine.signals import Stop
from sslkit.models import transformer
from sslkit.objectives import mlm
from sslkit.types import Arrays
from sslkit.vocab.vocabulary import Vocabulary

WORDS = ["".join("ACGT"[n // 4**p % 4] for p in reversed(range(task.K))) for n in range(task.SIZE)]
DOMAIN = genome.Domain(
    genome.Settings(k=task.K, stride=task.K, both_strands=False),
    Vocabulary(WORDS, np.ones(task.SIZE, np.int64)),
)
OBJECTIVE = mlm.Objective(mlm.Settings(rate=task.HIDDEN), DOMAIN.spec, np.ones(task.SIZE, np.int64))
FOREVER = Plan(
    steps=10**9, learning_rate=task.RATE, warmup=100, weight_decay=0.01, clip=1.0,
    evaluate_every=10**9, seed=1,
)  # fmt: skip


def batches(folder: Path, length: int, variable: bool) -> Callable[[int], list[Arrays]]:
    """The micro-batches of a step, as stages.pretrain makes them."""
    records = task.corpus(variable)
    shard = shards.open_or_build(folder, "corpus", lambda: iter(records[:-1]), np.uint8, print)
    windows = Windows(shards.cut([shard], 16384, task.K), DOMAIN.units(length), seed=1)
    rows = task.TOKENS // DOMAIN.length(int(windows.mean))
    examples = WindowExamples(windows, DOMAIN)
    divide = batching.by_cost(16384, 16384)

    def found(step: int) -> list[Arrays]:
        numbers = np.arange(step * rows, (step + 1) * rows)
        made = []
        for some in divide(examples.cost(numbers)):
            draws = rng.Counter(1, step, numbers[some])
            made.append(OBJECTIVE.prepare(examples.batch(numbers[some], draws), draws))
        return made

    return found


def served(found: Callable[[int], list[Arrays]]) -> Callable[[int], list[Arrays]]:
    """The same, but every so many steps it waits until the next round is asked for.

    So a round holds all that the loop does; the share told is that of making the batches.
    """
    asked = race.requests()
    start = feeding = 0.0
    tokens = 0

    def paced(step: int) -> list[Arrays]:
        nonlocal start, feeding, tokens
        if step % task.STEPS == 0:
            if step:
                seconds = time.process_time() - start
                race.answer(seconds, tokens, feeding / seconds)
            if next(asked, None) is None:
                raise SystemExit
            start, feeding, tokens = time.process_time(), 0.0, 0
        begun = time.process_time()
        made = found(step)
        feeding += time.process_time() - begun
        tokens += sum(int(arrays["length"].sum()) for arrays in made)
        return made

    return paced


def training(folder: Path, work: Work, plan: Plan, precision: str) -> Training:
    """The run, with fresh weights."""
    where = runtime.prepare("cpu", 1, precision)
    torch.manual_seed(1)
    shape = transformer.Settings(blocks=task.BLOCKS, width=task.WIDTH, heads=task.HEADS)
    learner = Learner(transformer.Model(shape, DOMAIN.spec), OBJECTIVE)
    return Training(learner, Rates({}), work, plan, where, ALONE, RunFolder(folder))


def held() -> list[Arrays]:
    """What nobody trains on, prepared."""
    units = task.held_out()
    draws = rng.Counter(0, 0, np.arange(len(units)))
    lengths = np.full(len(units), units.shape[1])
    return [OBJECTIVE.prepare(DOMAIN.batch(units, lengths, draws), draws)]


def main() -> None:
    """Serve rounds, or train for a while and say what was learned."""
    parser = argparse.ArgumentParser()
    parser.add_argument("precision", choices=["fp32", "bf16"])
    parser.add_argument("length", type=int)
    parser.add_argument("--grouped", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rate", type=float, default=task.RATE)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = batches(folder, task.LONGEST if asked.grouped else asked.length, asked.grouped)
        if not asked.steps:
            work = Work(served(found), lambda learner: {})
            training(folder, work, FOREVER, asked.precision).run(Stop(), Console(quiet=True))
        evaluated, where = held(), runtime.prepare("cpu", 1, asked.precision)
        plan = replace(
            FOREVER, steps=asked.steps, learning_rate=asked.rate,
            warmup=max(1, round(0.05 * asked.steps)),
        )  # fmt: skip
        work = Work(found, lambda learner: {})
        run = training(folder, work, plan, asked.precision)
        start = time.process_time()
        run.run(Stop(), Console(quiet=True))
        loss = mean_losses(run.learner, evaluated, ALONE, where)["heldout_loss"]
        print(loss, time.process_time() - start)


if __name__ == "__main__":
    main()
