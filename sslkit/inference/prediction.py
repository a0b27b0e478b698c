"""What a trained learner says of labelled records."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from sslkit.contracts.objective import Scored
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
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
