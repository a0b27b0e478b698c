"""What a trained learner says of labelled records."""

import numpy as np
import numpy.typing as npt
import torch

from sslkit.data.labelled import LabelledRows
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.objectives import supervised

_ROWS = 64


def scores(
    learner: Learner, objective: supervised.Objective, held: LabelledRows, runtime: Runtime
) -> npt.NDArray[np.float64]:
    """The head's output for every record, [records, outputs]; the mean over the phases."""
    everything = np.arange(len(held.units))
    found: npt.NDArray[np.float64] | None = None
    learner.eval()
    with torch.inference_mode(), runtime.autocast():
        for rows in held.batches(everything, _ROWS):
            for arrays in held.phases(rows):
                batch = to_device(arrays, runtime)
                given = objective.scores(learner.encoder, learner.head, batch)
                said = given.double().cpu().numpy()
                if found is None:
                    found = np.zeros((len(everything), said.shape[1]))
                found[rows] += said
    if found is None:
        return np.empty((0, 0))
    return found / held.domain.phases
