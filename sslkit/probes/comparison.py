"""Several probes on the same records: fitted on one part, judged on the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.probes import intervals
from sslkit.probes.intervals import Estimate
from sslkit.probes.training import Answer, Floats, Training
from sslkit.types import Array

Probe: TypeAlias = Callable[[Training, Floats], Answer]
Rows: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """A probe on features of all records, [records, features] float64."""

    name: str
    probe: Probe
    features: Floats


@dataclass(frozen=True)
class Exam:
    """What every model is asked.

    Attributes:
        values: class numbers int64 or targets float64, [records].
        groups: equal for duplicates, [records].
        classes: number of classes, 0 for regression.
        rounds: rows to train on and rows to predict, once for a held-out part and once per fold;
            no row is predicted twice.
        metrics: names of ``probes.metrics``.
    """

    values: Array
    groups: Rows
    classes: int
    rounds: Sequence[tuple[Rows, Rows]]
    metrics: Sequence[str]
    seed: int

    @property
    def rows(self) -> Rows:
        """The rows that are predicted, ascending."""
        return np.sort(np.concatenate([tested for _, tested in self.rounds]))


@dataclass(frozen=True)
class Result:
    """What a model answered.

    Attributes:
        predicted: for ``Exam.rows``, probabilities [rows, classes] or targets [rows].
        chosen: what inner cross-validation chose in each round.
    """

    name: str
    predicted: Floats
    estimate: Estimate
    chosen: tuple[Mapping[str, float], ...]

    @property
    def is_constant(self) -> bool:
        """Whether all records got the same decision."""
        said = self.predicted.argmax(axis=1) if self.predicted.ndim == 2 else self.predicted
        return len(said) > 1 and bool(np.ptp(said) <= 1e-9 * max(1.0, float(np.abs(said).max())))


def examine(model: Model, exam: Exam) -> Result:
    """Fit a model in every round on nothing but that round's training rows, and judge it."""
    predicted, chosen = answers(model, exam)
    estimate = intervals.bootstrap(exam.metrics, exam.values[exam.rows], predicted, exam.seed)
    return Result(model.name, predicted, estimate, chosen)


def answers(model: Model, exam: Exam) -> tuple[Floats, tuple[Mapping[str, float], ...]]:
    """What a model predicts for ``Exam.rows``, and what it chose in each round."""
    shape = (len(exam.values), exam.classes) if exam.classes else (len(exam.values),)
    predicted: Floats = np.full(shape, np.nan)
    chosen = []
    for train, tested in exam.rounds:
        training = Training(
            features=model.features[train],
            values=exam.values[train],
            groups=exam.groups[train],
            classes=exam.classes,
            seed=exam.seed,
        )
        found = model.probe(training, model.features[tested])
        predicted[tested] = found.predicted
        chosen.append(found.chosen)
    return predicted[exam.rows], tuple(chosen)
