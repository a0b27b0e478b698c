"""Skip-gram by sslkit's loop: vectors of ids, and the seconds that it took.

    python ours_skipgram.py KIND CORPUS SIZE EPOCHS PRECISION OUT

KIND is kmers, tied (k-mers and their reverse complements share vectors) or words.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from skipgram_task import K, spelled

from sslkit import rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.spec import Ids
from sslkit.data.shards import Segments, Shard
from sslkit.data.windows import Windows
from sslkit.domains import genome
from sslkit.engine import optimizers, runtime
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.loop import Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan, Work
from sslkit.engine.signals import Stop
from sslkit.models import skipgram as tables
from sslkit.objectives import skipgram
from sslkit.stages.pretrain import pairs
from sslkit.types import Arrays
from sslkit.vocab.vocabulary import Vocabulary

_WIDTH, _PIECE, _ROW, _ROWS = 100, 16384, 100, 160


@dataclass(frozen=True)
class Race:
    """A learner, what it is fed with, how long and how fast."""

    learner: Learner
    batches: Callable[[int], list[Arrays]]
    steps: int
    rate: float


def kmers(units: npt.NDArray[np.uint8], *, tied: bool) -> Race:
    """All pairs of k-mers side by side, in every frame."""
    words = [spelled(number) for number in range(4**K)]
    found = [units[phase : len(units) - (len(units) - phase) % K] for phase in range(K)]
    weight = 4 ** np.arange(K - 1, -1, -1)
    each = [np.bincount(f.reshape(-1, K) @ weight, minlength=4**K) for f in found]
    vocabulary = Vocabulary(words, np.sum(each, axis=0))
    begun = time.process_time()
    settings = genome.Settings(k=K, stride=K, both_strands=tied)
    domain = genome.Domain(settings, vocabulary)
    objective = skipgram.Objective(skipgram.Settings(), domain.spec, vocabulary.counts)
    shape = tables.Settings(width=_WIDTH, tie_reverse_complement=tied)
    learner = Learner(tables.Model(shape, domain.spec), objective)
    start = np.arange(0, len(units), _PIECE)
    length = np.minimum(_PIECE, len(units) - start)
    shard = Shard(units, np.array([0, len(units)]), 0)
    pieces = Segments([shard], np.zeros(len(start), np.int64), start, length)
    parts = (Windows(pieces, _PIECE, 1), Windows(pieces.take(np.arange(1)), _PIECE, 1))
    batches, _ = pairs.batches(objective, learner, domain, parts, World(), 1)
    print(f"counted and begun in {time.process_time() - begun:.2f} s", file=sys.stderr)
    return Race(learner, batches, pairs.STEPS, pairs.RATE)


def words(sentences: npt.NDArray[np.int64], size: int, epochs: int) -> Race:
    """Rows of a hundred words, in batches of 16,000."""
    rows = sentences.reshape(-1, _ROW)
    objective = skipgram.Objective(
        skipgram.Settings(algorithm="sampled"),
        {"tokens": Ids(("length",), size)},
        np.bincount(sentences.ravel(), minlength=size),
    )
    learner = Learner(
        tables.Model(tables.Settings(width=_WIDTH), {"tokens": objective.tokens}), objective
    )
    optimizers.make_sparse(learner)

    def batches(step: int) -> list[Arrays]:
        examples = np.arange(step * _ROWS, (step + 1) * _ROWS)
        chosen = rng.permute(examples % len(rows), len(rows), rng.key(1, "order"))
        arrays = {"tokens": rows[chosen], "length": np.full(_ROWS, _ROW)}
        return [objective.prepare(arrays, rng.Counter(1, step, examples))]

    return Race(learner, batches, epochs * len(rows) // _ROWS, pairs.SAMPLED_RATE)


def main() -> None:
    """Train, save, and say how long it took."""
    kind, corpus, size, epochs, precision, out = sys.argv[1:]
    where = runtime.prepare("cpu", 1, precision)
    torch.manual_seed(1)
    held = np.load(corpus)
    start = time.process_time()
    if kind == "words":
        race = words(held, int(size), int(epochs))
    else:
        race = kmers(held, tied=kind == "tied")
    plan = Plan(race.steps, race.rate, max(1, race.steps // 20), 0.0, 1.0, 2**40, 1)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(
            race.learner, Rates({}), Work(race.batches, lambda _: {}), plan, where, World(),
            RunFolder(Path(folder)),
        )  # fmt: skip
        training.run(Stop(), Console(quiet=True))
    seconds = time.process_time() - start
    classes = race.learner.encoder.classes
    assert classes is not None
    centres, contexts = (
        part.get_parameter(name).detach()[classes].numpy()
        for part, name in ((race.learner.encoder, "table.weight"), (race.learner.head, "weight"))
    )
    np.savez(out, centres=centres, contexts=contexts)
    print(seconds)


if __name__ == "__main__":
    main()
