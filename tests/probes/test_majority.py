"""The answer that looks at nothing."""

import numpy as np

from sslkit.data import splits
from sslkit.probes import comparison, majority
from sslkit.probes.comparison import Exam, Model
from sslkit.probes.training import Training


def test_class_frequencies_and_the_mean() -> None:
    features, groups = np.zeros((4, 1)), np.arange(4)
    found = majority.answer(Training(features, np.array([0, 2, 2, 2]), groups, 3, 1), features[:2])
    np.testing.assert_allclose(found.predicted, [[0.25, 0, 0.75]] * 2)
    found = majority.answer(Training(features, np.array([1.0, 2, 3, 6]), groups, 0, 1), features)
    np.testing.assert_allclose(found.predicted, [3.0] * 4)


def test_in_cross_validation_it_is_no_better_and_no_worse_than_chance() -> None:
    values = np.arange(21) % 2
    fold = splits.folds(values, np.arange(21), 5, 1)
    rounds = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(5)]
    nothing = np.zeros((21, 1))
    overall = majority.Overall(Training(nothing, values, np.arange(21), 2, 1))
    exam = Exam(values, np.arange(21), 2, rounds, ["auc", "mcc"], seed=1)
    found = comparison.examine(Model("majority", overall, nothing), exam).estimate.metrics
    assert found["auc"].value == 0.5
    assert found["mcc"].value == 0
