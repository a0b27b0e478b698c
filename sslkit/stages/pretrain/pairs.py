"""Training on all pairs of a corpus at once: what an objective gets instead of windows."""

from collections.abc import Callable

import torch

from sslkit import rng
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.encoder import Encoder
from sslkit.contracts.objective import Counted, Objective
from sslkit.data import pairs
from sslkit.data.windows import Windows
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.types import Arrays

#: Singular vectors are so good a start that more steps gain little on pairs held out; measured on
#: E. coli, "Skip-gram beside gensim" in tests/benchmarks/RESULTS.md.
STEPS, RATE = 8, 0.06
#: Of ``RowAdagrad``, where the same objective is given windows.
SAMPLED_RATE = 0.2


def asked(objective: Objective, encoder: Encoder) -> Counted | None:
    """The objective, where it is to be given pairs for that encoder."""
    return objective if isinstance(objective, Counted) and objective.is_counted(encoder) else None


def batches(
    objective: Counted,
    learner: Learner,
    domain: TokenDomain,
    parts: tuple[Windows, Windows],
    processes: World,
    seed: int | None,
) -> tuple[Callable[[int], list[Arrays]], list[Arrays]]:
    """The same batch for every step, and that of the evaluation; sets the first weights.

    Args:
        parts: what is trained on, and what is held out.
        seed: of the first weights; None where they are given.
    """
    classes = learner.encoder.classes
    if classes is None:
        raise ValueError("pairs are counted for encoders that are tables")
    number = classes.numpy()
    train, held = (pairs.count(part.segments, domain, number, objective.offsets) for part in parts)
    everything = objective.counted(train, number, slice(None))
    if seed is not None:
        torch.manual_seed(int(rng.key(seed, "begin") >> rng.SHIFT))
        objective.begin(learner.encoder, learner.head, everything)
    if processes.size > 1:
        everything = objective.counted(train, number, slice(processes.rank, None, processes.size))
    return lambda _: [everything], [objective.counted(held, number, slice(None))]
