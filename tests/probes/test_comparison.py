"""Comparing probes: every row predicted once, and never from itself."""

from typing import Any

import numpy as np

from sslkit.data import splits
from sslkit.probes import comparison, linear, majority, neighbours
from sslkit.probes.comparison import Exam, Model
from sslkit.probes.training import Answer, Training


def _exam(values: Any, rounds: Any, classes: int = 2) -> Exam:
    names = ["auc", "accuracy"] if classes else ["r2"]
    return Exam(values, np.arange(len(values)), classes, rounds, names, seed=1)


def test_folds_predict_every_row_once_from_the_others() -> None:
    values = np.arange(60) % 2
    fold = splits.folds(values, np.arange(60), 5, 1)
    rounds = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(5)]
    features = np.arange(60.0)[:, None]
    seen = []

    def spy(training: Training, asked: Any) -> Answer:
        assert not set(training.features[:, 0]) & set(asked[:, 0])
        seen.extend(asked[:, 0].tolist())
        return Answer(np.stack([asked[:, 0], -asked[:, 0]], axis=1), {"number": len(seen)})

    found = comparison.examine(Model("spy", spy, features), _exam(values, rounds))
    assert sorted(seen) == list(range(60))
    np.testing.assert_array_equal(found.predicted[:, 0], np.arange(60))
    assert [chosen["number"] for chosen in found.chosen] == [12, 24, 36, 48, 60]
    assert found.estimate.examples == 60


def test_signal_beats_noise_and_the_majority_is_constant() -> None:
    generator = np.random.default_rng(0)
    values = generator.integers(0, 2, 300)
    features = generator.normal(size=(300, 8)) + values[:, None] * 0.5
    exam = _exam(values, [(np.arange(200), np.arange(200, 300))])
    held = {
        name: comparison.examine(Model(name, probe, x), exam)
        for name, probe, x in (
            ("majority", majority.answer, features),
            ("linear", linear.answer, features),
            ("neighbours", neighbours.answer, features),
            ("noise", linear.answer, generator.normal(size=(300, 8))),
        )
    }
    auc = {name: result.estimate.metrics["auc"] for name, result in held.items()}
    assert auc["majority"].value == 0.5
    assert held["majority"].is_constant
    assert not held["linear"].is_constant
    assert auc["linear"].low > auc["noise"].value
    assert auc["neighbours"].value > 0.7


def test_a_constant_target_prediction_is_noticed() -> None:
    values = np.random.default_rng(0).normal(size=40)
    exam = _exam(values, [(np.arange(30), np.arange(30, 40))], classes=0)
    found = comparison.examine(Model("mean", majority.answer, np.zeros((40, 1))), exam)
    assert found.is_constant
    assert found.estimate.metrics["r2"].value <= 0
