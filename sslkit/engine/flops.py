"""What training costs, in floating-point operations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from sslkit.engine.dispatch import watched
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime

#: A forward pass and a backward pass, which costs twice as much.
_PASSES = 3


@contextmanager
def _counted() -> Iterator[list[int]]:
    """The operations of every matrix product, as they come.

    torch's own counter cannot be there where an objective takes derivatives, and loads much; what
    each product costs, it knows.
    """
    found: list[int] = []

    def ran(_: Any, func: Any, __: Any, args: tuple[Any, ...] = (), named: Any = None) -> Any:
        made = func(*args, **(named or {}))
        if (cost := flop_registry.get(func.overloadpacket)) is not None:
            found.append(cost(*args, **(named or {}), out_val=made))
        return made

    with watched(ran):
        yield found


def per_token(learner: Learner, work: Work, world: World, runtime: Runtime) -> float:
    """Floating-point operations of training for each token that is read.

    Three times the matrix products of a forward pass, counted on one micro-batch: attention, every
    pass of the encoder and only the places that a head is asked about, which 6 * parameters
    * tokens (Kaplan et al. 2020) leaves out or assumes. That estimate stands in where a model has
    no matrix products. Nothing is drawn, no gradient is kept.

    Args:
        work: of whose first step the first micro-batch is looked at.
    """
    told = {"flops": 0.0, "tokens": 0.0}
    before = learner.training
    learner.eval()
    for arrays, counts in world.passes(work.batches(0)[:1]):
        with torch.no_grad(), runtime.autocast(), _counted() as found:
            learner(to_device(arrays, runtime))
        told["flops"] += sum(found) * counts
        told["tokens"] += work.size(arrays) * counts
    learner.train(before)
    total = world.all_reduce(told)
    if not total["flops"]:
        return 2.0 * _PASSES * sum(parameter.numel() for parameter in learner.parameters())
    return _PASSES * total["flops"] / max(total["tokens"], 1.0)
