"""What a probe is trained on, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslkit.data import splits
from sslkit.types import Array

Floats = npt.NDArray[np.float64]

_FOLDS = 5


@dataclass(frozen=True)
class Training:
    """Training examples of one probe.

    Attributes:
        features: [examples, features] float64.
        values: class numbers int64 or targets float64, [examples].
        groups: equal for duplicates, which inner folds keep together, [examples].
        classes: number of classes, 0 for regression.
        seed: of the inner folds.
    """

    features: Floats
    values: Array
    groups: npt.NDArray[np.int64]
    classes: int
    seed: int

    def inner_folds(self) -> npt.NDArray[np.int64] | None:
        """A fold number for every example to choose a setting by; None for too few of them.

        Folds are stratified and keep duplicates together. Each class must leave something to
        learn from when a fold is held out.
        """
        strata = self.values if self.classes else splits.quantile_strata(self.values)
        distinct = [len(np.unique(self.groups[strata == s])) for s in np.unique(strata)]
        count = min(_FOLDS, len(np.unique(self.groups)))
        if count < 2 or (self.classes and min(distinct) < 2):
            return None
        return splits.folds(strata, self.groups, count, self.seed)

    def priors(self) -> Floats:
        """Share of each class, [classes]."""
        priors: Floats = np.bincount(self.values, minlength=self.classes) / len(self.values)
        return priors


@dataclass(frozen=True)
class Answer:
    """Predictions of a fitted probe and what was chosen on the way.

    Attributes:
        predicted: probabilities [examples, classes] or targets [examples], float64.
        chosen: settings that inner cross-validation chose, by name.
    """

    predicted: Floats
    chosen: Mapping[str, float] = field(default_factory=dict)


def loss(values: Array, predicted: Floats) -> float:
    """What settings are chosen by: mean log loss in nats, or mean squared error."""
    if predicted.ndim == 1:
        return float(np.mean((values - predicted) ** 2))
    right = predicted[np.arange(len(values)), values]
    return float(-np.log(np.maximum(right, 1e-12)).mean())
