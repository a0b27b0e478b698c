"""What a trained learner says of records: the outputs of its head."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from sslkit.artifacts import plugins
from sslkit.contracts.objective import Scored
from sslkit.engine import rebuild
from sslkit.engine.assemble import Parts
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.types import Arrays


def scorer(learner: Learner, runtime: Runtime) -> Callable[[Arrays], npt.NDArray[np.float64]]:
    """The head's output for batches, [rows, ...] float64, by the objective's ``scores``."""

    objective = learner.objective
    if not isinstance(objective, Scored):
        raise TypeError(f"{type(objective).__name__} gives no scores")

    def score(arrays: Arrays) -> npt.NDArray[np.float64]:
        learner.eval()
        with torch.inference_mode(), runtime.autocast():
            batch = to_device(arrays, runtime)
            outputs = objective.scores(learner.encoder, learner.head, batch)
        scores: npt.NDArray[np.float64] = outputs.double().cpu().numpy()
        return scores

    return score


def trained(parts: Parts) -> Learner:
    """The learner that a checkpoint with a head was written from.

    Raises:
        UsageError: it was not fine-tuned.
        DataError: it does not fit its own description.
    """
    if parts.manifest.stage != "finetune":
        raise UsageError(
            f"{parts.path} was made by sslkit {parts.manifest.stage} and predicts no labels",
            do="run sslkit finetune, and load the folder that it writes",
        )
    module, settings = plugins.restore("objective", parts.manifest, parts.path)
    objective = module.Objective(settings)
    learner = Learner(parts.encoder, objective)
    tensors = parts.checkpoint.tensors.get("head", {})
    width = parts.encoder.width
    learner.head = rebuild.rebuild(lambda: objective.head(width), tensors, str(parts.path))
    return learner.eval()
