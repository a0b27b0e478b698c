"""Bootstrap intervals: against a plain loop, seeded, quick, and honest about redraws."""

import time
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from sslkit.probes import intervals


def _binary(examples: int, share: float = 0.5, seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    truth = (generator.random(examples) < share).astype(np.int64)
    score = 1 / (1 + np.exp(-(truth + generator.normal(0, 1, examples))))
    return truth, np.stack([1 - score, score], axis=1)


def test_the_interval_agrees_with_a_plain_loop() -> None:
    truth, predicted = _binary(150)
    found = intervals.bootstrap(["auc"], truth, predicted, seed=1, resamples=1000).metrics["auc"]
    generator = np.random.default_rng(99)
    drawn = []
    for _ in range(1000):
        rows = generator.integers(0, 150, 150)
        drawn.append(roc_auc_score(truth[rows], predicted[rows, 1]))
    assert found.value == pytest.approx(roc_auc_score(truth, predicted[:, 1]))
    assert [found.low, found.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.015)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(0, 1, 80)
        found = intervals.bootstrap(["mae"], values, np.zeros(80), seed=1, resamples=300)
        covered += found.metrics["mae"].low <= np.sqrt(2 / np.pi) <= found.metrics["mae"].high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_thousand_resamples_of_five_thousand_examples_take_little_time() -> None:
    truth, predicted = _binary(5000)
    start = time.process_time()
    intervals.bootstrap(["auc"], truth, predicted, seed=1)
    assert time.process_time() - start < 2.0


def test_same_seed_same_interval_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predicted = _binary(60)
    names = ["auc", "mcc"]
    first = intervals.bootstrap(names, truth, predicted, seed=3)
    assert first == intervals.bootstrap(names, truth, predicted, seed=3)
    assert first != intervals.bootstrap(names, truth, predicted, seed=4)
    monkeypatch.setattr(intervals, "_CELLS", 60 * 7)
    assert first == intervals.bootstrap(names, truth, predicted, seed=3)


def test_resamples_that_lack_a_class_are_redrawn_and_counted() -> None:
    truth, predicted = _binary(12)
    truth[:] = 0
    truth[0] = 1
    found = intervals.bootstrap(["auc"], truth, predicted, seed=1, resamples=500)
    assert found.redrawn > 100
    assert np.isfinite(found.metrics["auc"].low)


def test_one_class_gives_no_interval_instead_of_an_error() -> None:
    truth, predicted = _binary(10)
    found = intervals.bootstrap(["auc", "accuracy"], truth * 0, predicted, seed=1)
    assert np.isnan(found.metrics["auc"].value)
    assert np.isnan(found.metrics["auc"].low)
    assert np.isfinite(found.metrics["accuracy"].low)


def test_seeds_give_a_t_interval() -> None:
    values = [0.8, 0.82, 0.85, 0.81, 0.79]
    found = intervals.over_seeds(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert np.isnan(intervals.over_seeds([0.5]).low)


def test_all_metrics_can_be_bootstrapped() -> None:
    truth, predicted = _binary(40)
    found = intervals.bootstrap(["auc", "average_precision", "mcc", "f1"], truth, predicted, 1)
    numbers = np.arange(40.0)
    other = intervals.bootstrap(["r2", "spearman", "rmse"], numbers, numbers[::-1].copy(), 1)
    for interval in {**found.metrics, **other.metrics}.values():
        assert interval.low <= interval.value + 0.1
        assert interval.high >= interval.value - 0.1


def test_a_difference_is_paired() -> None:
    truth, predicted = _binary(200)
    same = intervals.difference("auc", truth, predicted, predicted, seed=1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    blurred = predicted + np.random.default_rng(1).normal(0, 0.05, predicted.shape)
    found = intervals.difference("auc", truth, predicted, blurred, seed=1)
    each = intervals.bootstrap(["auc"], truth, predicted, seed=1).metrics["auc"]
    assert found.low <= found.value <= found.high
    assert found.high - found.low < (each.high - each.low) / 2


def _tables(records: int, seed: int = 0) -> Any:
    """Confusions of records of 5 to 60 units, each record easy or hard as a whole."""
    generator = np.random.default_rng(seed)
    size = generator.integers(5, 60, records)
    right = generator.binomial(size, generator.beta(4, 2, records))
    return np.stack([right, size - right, 0 * size, 0 * size], axis=1).reshape(-1, 2, 2) * 1.0


def test_the_interval_of_units_is_over_records() -> None:
    tables = _tables(80)
    held = intervals.of_tables(["accuracy"], tables, seed=1)
    found = held.metrics["accuracy"]
    assert held.examples == 80
    generator = np.random.default_rng(99)
    drawn = []
    for _ in range(1000):
        rows = generator.integers(0, 80, 80)
        drawn.append(tables[rows, 0, 0].sum() / tables[rows].sum())
    assert found.value == pytest.approx(tables[:, 0, 0].sum() / tables.sum())
    assert [found.low, found.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.01)
    # As if units were independent it would be much narrower.
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / tables.sum())
    assert found.high - found.low > 1.5 * 2 * half


def test_differences_of_units_are_on_the_same_resamples() -> None:
    first = _tables(80)
    worse = first.copy()
    worse[:, 0, 0] -= 1
    worse[:, 0, 1] += 1
    found = intervals.difference_of_tables("accuracy", first, worse, seed=1)
    assert found.value == pytest.approx(80 / first.sum())
    assert 0 < found.low < found.value < found.high < 2 * found.value
    same = intervals.difference_of_tables("accuracy", first, first, seed=1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
