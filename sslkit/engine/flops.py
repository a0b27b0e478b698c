"""What training costs, in floating-point operations."""

from collections.abc import Sequence

from torch.utils.flop_counter import FlopCounterMode

from sslkit.engine.distributed import World
from sslkit.engine.loop import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.types import Arrays

#: A forward pass and a backward pass, which costs twice as much.
_PASSES = 3


def per_token(learner: Learner, batches: Sequence[Arrays], world: World, runtime: Runtime) -> float:
    """Floating-point operations of training for each token that is read.

    Three times the matrix products of a forward pass, counted on one micro-batch: attention, every
    pass of the encoder and only the places that a head is asked about, which 6 * parameters
    * tokens (Kaplan et al. 2020) leaves out or assumes. That estimate stands in where a model has
    no matrix products. Nothing is drawn, no gradient is kept.

    Args:
        batches: micro-batches of this process, of which the first is looked at.
    """
    told = {"flops": 0.0, "tokens": 0.0}
    before = learner.training
    learner.eval()
    for arrays in batches[:1]:
        with runtime.autocast(), FlopCounterMode(display=False) as counter:
            learner(to_device(arrays, runtime))
        told["flops"] += counter.get_total_flops()
        told["tokens"] += float(arrays["length"].sum())
    learner.train(before)
    total = world.sum(told)
    if not total["flops"]:
        return 2.0 * _PASSES * sum(parameter.numel() for parameter in learner.parameters())
    return _PASSES * total["flops"] / max(total["tokens"], 1.0)
