"""The answer that looks at nothing: class frequencies, or the mean."""

import numpy as np

from sslkit.probes.training import Answer, Floats, Training


def answer(training: Training, features: Floats) -> Answer:
    """The same prediction for each of ``features`` [examples, features]."""
    if training.classes:
        return Answer(np.tile(training.priors(), (len(features), 1)))
    return Answer(np.full(len(features), training.values.mean()))


class Overall:
    """The answer of all records together, for cross-validation.

    Fold by fold, a class is the rarer in training the more of it is held out: answers of each
    fold's own frequencies, pooled, would rank below chance.
    """

    def __init__(self, everything: Training) -> None:
        self._everything = everything

    def __call__(self, training: Training, features: Floats) -> Answer:
        """``answer`` of all records, whatever is trained on."""
        return answer(self._everything, features)
