"""What a pretraining run trains on: the micro-batches of every step, and how it is judged."""

import math
from collections.abc import Callable

import numpy as np

from sslkit import rng
from sslkit.contracts.domain import TokenDomain
from sslkit.data import batching
from sslkit.data.batching import Dealing
from sslkit.data.windows import Windows
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.stages.pretrain import pairs, windows
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.types import Array, Arrays, Draws

#: What one more micro-batch costs on a CPU, in tokens; on a GPU, more than padding can.
_CPU_OVERHEAD = 256


def rows(options: Options, chosen: Chosen[TokenDomain], train: Windows) -> int:
    """Windows of a step: where records are shorter than a window, more of them."""
    return max(1, options.batch_tokens // max(1, chosen.domain.length(math.ceil(train.mean))))


def check_company(
    options: Options, chosen: Chosen[TokenDomain], in_step: int, processes: World
) -> None:
    """Refuse micro-batches of one row where an objective compares rows.

    Raises:
        UsageError: naming the objective.
    """
    most = min(_micro_rows(options), -(-in_step // processes.size))
    if chosen.pretexts.across_rows and most < 2:
        raise UsageError(
            f"{chosen.pretexts.across_rows[0]} compares the rows of a micro-batch with each other, "
            "and there would be only one",
            do="use a larger --micro-tokens or --batch-tokens, or a smaller --window",
        )


def work(
    options: Options,
    chosen: Chosen[TokenDomain],
    in_step: int,
    learner: Learner,
    data: tuple[Windows, Windows],
    processes: World,
    runtime: Runtime,
) -> tuple[Work, str]:
    """What is trained on, and what a step reads of it.

    Args:
        in_step: windows of a step.
        data: windows to train on and windows held out.
    """
    pretexts, read = chosen.pretexts, f"{options.batch_tokens} tokens"
    if counted := pairs.asked(pretexts.objective, learner.encoder):
        read = "all pairs"
        seed = options.seed if options.start_from is None else None
        batches, evaluated = pairs.batches(counted, learner, chosen.domain, data, processes, seed)
    else:
        dealing = _dealing(options, chosen, runtime)
        batches, evaluated = _batches(options, chosen, in_step, data, dealing, processes)
    floors = pretexts.floors(evaluated)

    def evaluate(learner: Learner) -> dict[str, float]:
        return pretexts.judged(mean_losses(learner, evaluated, processes, runtime), floors)

    return Work(batches, evaluate), read


def _batches(
    options: Options,
    chosen: Chosen[TokenDomain],
    in_step: int,
    data: tuple[Windows, Windows],
    dealing: Dealing,
    processes: World,
) -> tuple[Callable[[int], list[Arrays]], list[Arrays]]:
    """The micro-batches of a step, and those of an evaluation, window by window."""
    objective, needs = chosen.pretexts.objective, chosen.pretexts.needs
    train, held = data

    def prepared(units: Array, lengths: Array, draws: Draws) -> Arrays:
        return objective.prepare(chosen.domain.batch(units, lengths, draws, needs), draws)

    def batches(step: int) -> list[Arrays]:
        mine = np.arange(step * in_step, (step + 1) * in_step)[processes.rank :: processes.size]
        units, lengths = train.rows(mine)
        return [
            prepared(
                *batching.cropped(units, lengths, some), rng.Counter(options.seed, step, mine[some])
            )
            for some in dealing(lengths)
        ]

    return batches, windows.evaluation(held, options.window, dealing, prepared)


def _dealing(options: Options, chosen: Chosen[TokenDomain], runtime: Runtime) -> Dealing:
    """How the rows of a step become micro-batches."""
    if chosen.across_rows:
        return batching.in_order(_micro_rows(options))
    padded = not chosen.plugins["model"][1].Model.skips_padding
    overhead = _CPU_OVERHEAD if padded and runtime.device.type == "cpu" else options.micro_tokens
    return batching.by_length(chosen.domain.length, options.micro_tokens, overhead)


def _micro_rows(options: Options) -> int:
    return max(1, options.micro_tokens // options.window)
