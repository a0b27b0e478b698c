"""Every metric against scikit-learn, SciPy or a slow loop, on repeated examples."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from sslkit.probes import metrics


def _repeated(array: Any, row: Any) -> Any:
    return np.repeat(array, row.astype(int), axis=0)


def _cases(seed: int, classes: int, examples: int = 40) -> tuple[Any, Any, Any]:
    """Truth, probabilities with many ties, and rows of counts."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, examples)
    truth[:classes] = np.arange(classes)
    raw = np.round(generator.random((examples, classes)), 1) + 0.05
    weights = generator.integers(0, 4, (6, examples)).astype(float)
    weights[:, :classes] += 1
    weights[0] = 1
    return truth, raw / raw.sum(axis=1, keepdims=True), weights


_CLASSIFICATION: dict[str, Callable[[Any, Any], float]] = {
    "auc": lambda t, p: reference.roc_auc_score(t, p[:, 1]),
    "average_precision": lambda t, p: reference.average_precision_score(t, p[:, 1]),
    "mcc": lambda t, p: reference.matthews_corrcoef(t, p.argmax(1)),
    "accuracy": lambda t, p: reference.accuracy_score(t, p.argmax(1)),
    "f1": lambda t, p: reference.f1_score(t, p.argmax(1), zero_division=0),
    "macro_f1": lambda t, p: reference.f1_score(t, p.argmax(1), average="macro", zero_division=0),
}


@pytest.mark.parametrize("name", _CLASSIFICATION)
@pytest.mark.parametrize("seed", range(5))
def test_binary_metrics_agree_with_sklearn(name: str, seed: int) -> None:
    truth, predicted, weights = _cases(seed, 2)
    found = metrics.compute([name], truth, predicted, weights)[name]
    for value, row in zip(found, weights, strict=True):
        expected = _CLASSIFICATION[name](_repeated(truth, row), _repeated(predicted, row))
        assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["mcc", "accuracy", "macro_f1"])
@pytest.mark.parametrize("seed", range(5))
def test_multiclass_metrics_agree_with_sklearn(name: str, seed: int) -> None:
    truth, predicted, weights = _cases(seed, 4)
    found = metrics.compute([name], truth, predicted, weights)[name]
    for value, row in zip(found, weights, strict=True):
        expected = _CLASSIFICATION[name](_repeated(truth, row), _repeated(predicted, row))
        assert value == pytest.approx(expected, abs=1e-12)


def test_multiclass_auc_is_the_mean_of_one_against_the_rest() -> None:
    truth, predicted, weights = _cases(1, 3)
    found = metrics.auc(truth, predicted, weights)
    for value, row in zip(found, weights, strict=True):
        t, p = _repeated(truth, row), _repeated(predicted, row)
        expected = reference.roc_auc_score(t, p, multi_class="ovr", average="macro")
        assert value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=25))
def test_auc_is_the_share_of_ordered_pairs(examples: list[tuple[bool, int]]) -> None:
    truth = np.array([t for t, _ in examples], np.int64)
    score = np.array([s for _, s in examples], float)
    predicted = np.stack([-score, score], axis=1)
    (value,) = metrics.auc(truth, predicted, np.ones((1, len(truth))))
    pairs = list(itertools.product(score[truth == 1], score[truth == 0]))
    if not pairs:
        assert np.isnan(value)
    else:
        expected = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)
        assert value == pytest.approx(expected, abs=1e-12)


_REGRESSION: dict[str, Callable[[Any, Any], float]] = {
    "r2": reference.r2_score,
    "rmse": reference.root_mean_squared_error,
    "mae": reference.mean_absolute_error,
    "pearson": lambda t, p: stats.pearsonr(t, p)[0],
    "spearman": lambda t, p: stats.spearmanr(t, p)[0],
}


@pytest.mark.parametrize("name", _REGRESSION)
@pytest.mark.parametrize("seed", range(5))
def test_regression_metrics_agree_with_sklearn_and_scipy(name: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = np.round(generator.normal(100, 3, 30))
    predicted = np.round(truth + generator.normal(0, 3, 30))
    weights = generator.integers(0, 4, (6, 30)).astype(float)
    found = metrics.compute([name], truth, predicted, weights)[name]
    for value, row in zip(found, weights, strict=True):
        expected = _REGRESSION[name](_repeated(truth, row), _repeated(predicted, row))
        assert value == pytest.approx(expected, abs=1e-9)


def test_undefined_metrics_are_nan_and_constant_predictions_are_not_an_error() -> None:
    one_class = np.ones(5, np.int64)
    constant = np.tile([0.4, 0.6], (5, 1))
    found = metrics.compute(list(_CLASSIFICATION), one_class, constant)
    assert np.isnan(found["auc"][0])
    assert found["mcc"][0] == 0
    assert found["accuracy"][0] == 1
    truth = np.arange(5.0)
    found = metrics.compute(list(_REGRESSION), truth, np.full(5, 0.1))
    assert np.isnan(found["pearson"][0])
    assert np.isnan(found["spearman"][0])
    assert np.isnan(metrics.compute(["r2"], np.full(5, 0.3), truth)["r2"][0])


def test_a_class_without_examples_does_not_count_towards_macro_auc() -> None:
    truth, predicted, _ = _cases(2, 3)
    truth = truth % 2
    (value,) = metrics.auc(truth, predicted, np.ones((1, len(truth))))
    each = [reference.roc_auc_score(truth == c, predicted[:, c]) for c in (0, 1)]
    assert value == pytest.approx(np.mean(each))
