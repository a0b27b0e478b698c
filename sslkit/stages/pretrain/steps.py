"""What a step of pretraining reads: micro-batches of examples, and how training is judged."""

import math
from collections.abc import Callable

import numpy as np

from sslkit import rng
from sslkit.contracts.domain import Domain
from sslkit.contracts.examples import Examples
from sslkit.data import batching
from sslkit.data.batching import Batching
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.types import Array, Arrays

#: What one more micro-batch costs on a CPU, in tokens; on a GPU, more than padding can.
_CPU_OVERHEAD = 256


def check_company(chosen: Chosen[Domain], micro_rows: int, in_step: int, processes: World) -> None:
    """Refuse micro-batches of one row where an objective compares rows.

    Raises:
        UsageError: naming the objective.
    """
    most = min(micro_rows, -(-in_step // processes.size))
    if chosen.objectives.across_rows and most < 2:
        raise UsageError(
            f"{chosen.objectives.across_rows[0]} compares the rows of a micro-batch with each "
            "other, and there would be only one",
            do="use a larger --micro-tokens or --batch-tokens, or a smaller --window",
        )


def batching_of(
    options: Options, chosen: Chosen[Domain], micro_rows: int, runtime: Runtime
) -> Batching:
    """How the rows of a step become micro-batches."""
    if chosen.across_rows:
        return batching.in_order(micro_rows)
    padded = not chosen.plugins["model"][1].Model.skips_padding
    overhead = _CPU_OVERHEAD if padded and runtime.device.type == "cpu" else options.micro_tokens
    return batching.by_cost(options.micro_tokens, overhead)


def batches(
    options: Options,
    chosen: Chosen[Domain],
    in_step: int,
    data: tuple[Examples, Examples],
    divide: Batching,
    processes: World,
) -> tuple[Callable[[int], list[Arrays]], list[Arrays]]:
    """The micro-batches of a step, a function of seed and step alone, and those of an evaluation.

    Args:
        in_step: examples of a step, of all processes.
        data: examples to train on, and examples to judge by.
    """
    objective, needs = chosen.objectives.objective, chosen.objectives.needs
    train, held_out = data

    def prepared(examples: Examples, numbers: Array, seed: int, step: int) -> Arrays:
        draws = rng.Counter(seed, step, numbers)
        return objective.prepare(examples.batch(numbers, draws, needs), draws)

    def of_step(step: int) -> list[Arrays]:
        mine = np.arange(step * in_step, (step + 1) * in_step)[processes.rank :: processes.size]
        return [
            prepared(train, mine[rows], options.seed, step) for rows in divide(train.cost(mine))
        ]

    every = np.arange(len(held_out))
    return of_step, [prepared(held_out, rows, 0, 0) for rows in divide(held_out.cost(every))]


def work(
    batches: Callable[[int], list[Arrays]],
    evaluated: list[Arrays],
    chosen: Chosen[Domain],
    processes: World,
    runtime: Runtime,
    unit: str = "tokens",
) -> Work:
    """What is trained on, judged beside what a guess without a model would give."""
    objectives = chosen.objectives
    baselines = objectives.baselines(evaluated)

    def evaluate(learner: Learner) -> dict[str, float]:
        return objectives.judged(mean_losses(learner, evaluated, processes, runtime), baselines)

    return Work(batches, evaluate, unit=unit)


def rows(cost: int, examples: Examples) -> int:
    """Examples that cost so much together, at least one."""
    return max(1, cost // max(1, math.ceil(examples.mean_cost)))
