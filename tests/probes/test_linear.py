"""Linear probes: against closed forms and scikit-learn; the penalty is chosen without leaks."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sslkit.errors import DataError
from sslkit.probes import linear
from sslkit.probes.training import Training


def _classes(seed: int, examples: int = 200, noise: float = 1.0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    features = generator.normal(3, 5, (examples, 6))
    values = (features[:, 0] - 3 + generator.normal(0, noise * 5, examples) > 0).astype(np.int64)
    return features, values


def _training(features: Any, values: Any, classes: int, groups: Any = None) -> Training:
    groups = np.arange(len(values)) if groups is None else groups
    return Training(features, values, groups, classes, seed=1)


def test_logistic_is_sklearns_at_the_chosen_penalty() -> None:
    features, values = _classes(0)
    found = linear.answer(_training(features[:150], values[:150], 2), features[150:])
    scaler = StandardScaler().fit(features[:150])
    model = LogisticRegression(C=1 / (found.chosen["penalty"] * 150), tol=1e-8, max_iter=10_000)
    model.fit(scaler.transform(features[:150]), values[:150])
    expected = model.predict_proba(scaler.transform(features[150:]))
    np.testing.assert_allclose(found.predicted, expected, atol=1e-3)


def test_ridge_is_the_closed_form_at_the_chosen_penalty() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(0, 2, (80, 5))
    values = features @ [1, 2, 0, 0, -1] + generator.normal(0, 1, 80) + 10
    found = linear.answer(_training(features[:60], values[:60], 0), features[60:])
    x = (features - features[:60].mean(0)) / features[:60].std(0)
    y = values[:60] - values[:60].mean()
    gram = x[:60].T @ x[:60] + found.chosen["penalty"] * 60 * np.eye(5)
    expected = x[60:] @ np.linalg.solve(gram, x[:60].T @ y) + values[:60].mean()
    np.testing.assert_allclose(found.predicted, expected, rtol=1e-9)


def test_noise_gets_a_strong_penalty_and_signal_a_weak_one() -> None:
    generator = np.random.default_rng(2)
    features = generator.normal(size=(120, 40))
    signal = features @ generator.normal(size=40)
    weak = linear.answer(_training(features, signal, 0), features).chosen["penalty"]
    strong = linear.answer(_training(features, generator.normal(size=120), 0), features)
    assert weak < 1e-2 < 0.1 < strong.chosen["penalty"]


def test_duplicates_do_not_soften_the_choice_of_the_penalty() -> None:
    # Noise labels, every record four times: without the group rule the copies in the other
    # folds would make the weakest penalty look best.
    generator = np.random.default_rng(3)
    features = np.repeat(generator.normal(size=(40, 60)), 4, axis=0)
    values = np.repeat(generator.normal(size=40), 4)
    groups = np.repeat(np.arange(40), 4)
    kept = linear.answer(_training(features, values, 0, groups), features).chosen["penalty"]
    leaky = linear.answer(_training(features, values, 0), features).chosen["penalty"]
    assert leaky < 1e-2 < kept


def test_many_classes_and_a_class_that_train_lacks() -> None:
    generator = np.random.default_rng(4)
    values = generator.integers(0, 3, 150)
    features = np.eye(4)[values] * 3 + generator.normal(size=(150, 4))
    found = linear.answer(_training(features, values, 4), features).predicted
    assert found.shape == (150, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[:, 3] == 0).all()
    assert (found.argmax(1) == values).mean() > 0.9


@pytest.mark.parametrize("classes", [2, 0])
def test_hostile_features_are_survived(classes: int) -> None:
    features, values = _classes(5)
    hostile = np.hstack([features, np.full((200, 1), 1e8), features[:, :1] * 1e-12])
    hostile = np.hstack([hostile, hostile[:, :2], 1e8 + 1e-9 * features[:, :1]])
    target = values if classes else features[:, 0]
    found = linear.answer(_training(hostile, target, classes), hostile[:50])
    assert np.isfinite(found.predicted).all()


def test_separable_classes_and_tiny_sets_are_survived() -> None:
    features, values = _classes(6, noise=0.0)
    assert np.isfinite(linear.answer(_training(features, values, 2), features).predicted).all()
    few = linear.answer(_training(features[:3], np.array([0, 1, 1]), 2), features[:5])
    assert np.isfinite(few.predicted).all()
    assert linear.answer(_training(features[:3], np.array([1, 1, 1]), 2), features).predicted[
        0
    ].tolist() == [0, 1]


def test_features_that_are_not_finite_are_refused() -> None:
    features, values = _classes(7)
    features[3, 2] = np.nan
    with pytest.raises(DataError, match="1 of 200 train"):
        linear.answer(_training(features, values, 2), features)
