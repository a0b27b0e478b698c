"""The loss on data that is not trained on."""

from collections.abc import Sequence

import torch

from sslkit.engine.distributed import World
from sslkit.engine.loop import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.types import Arrays


def mean_losses(
    learner: Learner, batches: Sequence[Arrays], world: World, runtime: Runtime
) -> dict[str, float]:
    """Each loss of the objective as a mean over prepared batches.

    Args:
        batches: the same on every process; each process takes its part of them.
    """
    total = {"loss": 0.0, "count": 0.0}
    learner.eval()
    with torch.inference_mode(), runtime.autocast():
        for arrays in batches[world.rank :: world.size]:
            losses = learner(to_device(arrays, runtime))
            total["loss"] += sum(float(value) for value in losses.values())
            total["count"] += sum(learner.objective.count(arrays).values())
    learner.train()
    total = world.sum(total)
    return {"heldout_loss": total["loss"] / max(total["count"], 1.0)}
