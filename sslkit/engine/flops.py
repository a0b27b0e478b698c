"""What training costs, in floating-point operations."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.modules import Encoder

#: A forward pass and a backward pass, which costs twice as much.
_PASSES = 3


def per_token(learner: Learner, work: Work, world: World, runtime: Runtime) -> float:
    """Floating-point operations of training for each token that is read.

    Three times the matrix products of a forward pass, counted on one micro-batch: attention, every
    pass of the encoder and only the places that a head is asked about, which 6 * parameters
    * tokens (Kaplan et al. 2020) leaves out or assumes. That estimate stands in where a model has
    no matrix products, or points, by which it is derived: the counter does not bear that. Nothing
    is drawn, no gradient is kept.

    Args:
        work: of whose first step the first micro-batch is looked at.
    """
    told = {"flops": 0.0, "tokens": 0.0}
    before = learner.training
    learner.eval()
    looked_at = work.batches(0)[:1] if isinstance(learner.encoder, Encoder) else []
    for arrays, counts in world.passes(looked_at):
        with torch.no_grad(), runtime.autocast(), FlopCounterMode(display=False) as counter:
            learner(to_device(arrays, runtime))
        told["flops"] += counter.get_total_flops() * counts
        told["tokens"] += work.size(arrays) * counts
    learner.train(before)
    total = world.sum(told)
    if not total["flops"]:
        return 2.0 * _PASSES * sum(parameter.numel() for parameter in learner.parameters())
    return _PASSES * total["flops"] / max(total["tokens"], 1.0)
