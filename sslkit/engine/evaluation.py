"""The loss on data that is not trained on."""

from collections.abc import Sequence

import torch

from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.types import Arrays


def mean_losses(
    learner: Learner, batches: Sequence[Arrays], world: World, runtime: Runtime
) -> dict[str, float]:
    """The mean losses of the objective over prepared batches.

    Args:
        batches: the same on every process; each process takes its part of them.

    Returns:
        ``heldout_loss``, their weighted sum, and, where there are several, each as
        ``heldout_loss_NAME``.
    """
    total = {
        f"{what} {name}": 0.0
        for arrays in batches
        for name in learner.objective.count(arrays)
        for what in ("loss", "count")
    }
    learner.eval()
    mine = batches[world.rank :: world.size]
    # Losses may need derivatives by their inputs, which inference mode forbids, and weights that
    # were put together in inference mode could not be trained later.
    with torch.no_grad(), runtime.autocast():
        for arrays, counts in world.passes(mine, spare=batches[:1]):
            for name, value in learner(to_device(arrays, runtime)).items():
                total[f"loss {name}"] += float(value) * counts
            for name, count in learner.objective.count(arrays).items():
                total[f"count {name}"] += count * counts
    learner.train()
    total = world.all_reduce(total)
    names = [key.removeprefix("loss ") for key in total if key.startswith("loss ")]
    means = {name: total[f"loss {name}"] / max(total[f"count {name}"], 1.0) for name in names}
    each = {f"heldout_loss_{name}": value for name, value in means.items()}
    return {"heldout_loss": learner.total(means)} | (each if len(each) > 1 else {})
