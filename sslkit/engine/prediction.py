"""What a trained learner says of labelled records."""

import numpy as np
import numpy.typing as npt
import torch

from sslkit.data.labelled import LabelledRows
from sslkit.engine.loop import Learner, to_device
from sslkit.engine.runtime import Runtime

_ROWS = 64


def scores(learner: Learner, held: LabelledRows, runtime: Runtime) -> npt.NDArray[np.float64]:
    """The head's output for every record, [records, outputs]; the mean over the phases."""
    everything = np.arange(len(held.units))
    found: npt.NDArray[np.float64] | None = None
    learner.eval()
    with torch.inference_mode(), runtime.autocast():
        for rows in held.batches(everything, _ROWS):
            for arrays in held.phases(rows):
                batch = to_device(arrays, runtime)
                hidden = learner.encoder(batch["tokens"], batch["length"])
                said = learner.head(hidden, batch["length"]).double().cpu().numpy()
                if found is None:
                    found = np.zeros((len(everything), said.shape[1]))
                found[rows] += said
    if found is None:
        return np.empty((0, 0))
    return found / held.domain.phases
