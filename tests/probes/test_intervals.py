"""95% intervals: they cover the truth as often as they say, also where a class is rare."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from sslkit.probes import intervals, resampling


def _binary(examples: int, share: float = 0.5, seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    truth = (generator.random(examples) < share).astype(np.int64)
    return truth, _scored(truth, np.sqrt(2) * stats.norm.ppf(0.76), generator)


def _scored(truth: Any, apart: float, generator: np.random.Generator) -> Any:
    score = 1 / (1 + np.exp(apart / 2 - apart * truth - generator.normal(0, 1, len(truth))))
    return np.stack([1 - score, score], axis=1)


def _decided(truth: Any, right: Any) -> Any:
    """Probabilities that decide as said for each example."""
    chosen = np.where(right, truth, 1 - truth)
    return np.stack([1 - chosen, chosen], axis=1).astype(np.float64)


def _coverage(
    true: float, draws: int, estimate: Callable[[np.random.Generator], intervals.Interval]
) -> float:
    """How often intervals of so many draws hold what is true."""
    covered = 0
    for seed in range(draws):
        interval = estimate(np.random.default_rng(seed))
        covered += interval.low <= true <= interval.high
    return covered / draws


def _accuracy(examples: int, share: float, resamples: int = 300) -> Any:
    def estimate(generator: np.random.Generator) -> intervals.Interval:
        truth = generator.integers(0, 2, examples)
        predicted = _decided(truth, generator.random(examples) < share)
        return intervals.bootstrap(["accuracy"], truth, predicted, 1, resamples).metrics["accuracy"]

    return estimate


def _auc(positive: int, negative: int, area: float, resamples: int = 300) -> Any:
    truth = np.repeat([1, 0], [positive, negative])
    apart = np.sqrt(2) * stats.norm.ppf(area)

    def estimate(generator: np.random.Generator) -> intervals.Interval:
        predicted = _scored(truth, apart, generator)
        return intervals.bootstrap(["auc"], truth, predicted, 1, resamples).metrics["auc"]

    return estimate


@pytest.mark.parametrize(("examples", "share"), [(50, 0.9), (100, 0.7)])
def test_the_interval_of_accuracy_covers_the_truth(examples: int, share: float) -> None:
    assert 0.92 <= _coverage(share, 400, _accuracy(examples, share)) <= 0.98


@pytest.mark.parametrize(("positive", "area"), [(10, 0.9), (10, 0.7), (50, 0.8)])
def test_the_interval_of_auc_covers_the_truth(positive: int, area: float) -> None:
    assert 0.92 <= _coverage(area, 400, _auc(positive, 100 - positive, area)) <= 0.98


def test_the_interval_of_an_error_covers_the_truth() -> None:
    def estimate(generator: np.random.Generator) -> intervals.Interval:
        values = generator.normal(0, 1, 80)
        return intervals.bootstrap(["mae"], values, np.zeros(80), 1, 300).metrics["mae"]

    assert 0.92 <= _coverage(float(np.sqrt(2 / np.pi)), 400, estimate) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("examples", [50, 100, 200])
def test_coverage_is_held_for_usual_numbers_of_examples(examples: int) -> None:
    found = {}
    for share in (0.5, 0.7, 0.9):
        found["accuracy", share] = _coverage(share, 1000, _accuracy(examples, share, 1000))
    for positive in (examples // 2, examples // 10):
        for area in (0.7, 0.8, 0.9):
            auc = _auc(positive, examples - positive, area, 1000)
            found["auc", positive, area] = _coverage(area, 1000, auc)
    assert {what: rate for what, rate in found.items() if not 0.93 <= rate <= 0.98} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["accuracy", "auc"])
@pytest.mark.parametrize("examples", [50, 100, 200])
def test_coverage_is_held_for_differences(name: str, examples: int) -> None:
    areas = (0.8, 0.75)

    def drawn(generator: np.random.Generator, size: int) -> Any:
        truth = (generator.random(size) < 0.3).astype(np.int64)
        common, predicted = generator.normal(0, 1, size), []
        for area in areas:
            apart = np.sqrt(2) * stats.norm.ppf(area)
            own = np.sqrt(0.8) * common + np.sqrt(0.2) * generator.normal(0, 1, size)
            score = 1 / (1 + np.exp(apart / 2 - apart * truth - own))
            predicted.append(np.stack([1 - score, score], axis=1))
        return truth, predicted

    truth, (first, second) = drawn(np.random.default_rng(0), 400_000)
    true = intervals.difference(name, truth, first, second, 1, 1).value

    def estimate(generator: np.random.Generator) -> intervals.Interval:
        truth, (first, second) = drawn(generator, examples)
        return intervals.difference(name, truth, first, second, 1, 1000)

    assert 0.93 <= _coverage(true, 1000, estimate) <= 0.98


def test_five_right_of_ten_whatever_the_classes_are() -> None:
    right = np.arange(10) % 2 == 0
    for truth in (np.zeros(10, np.int64), np.r_[1, np.zeros(9, np.int64)], np.arange(10) // 5):
        estimate = intervals.bootstrap(["accuracy"], truth, _decided(truth, right), seed=1)
        interval = estimate.metrics["accuracy"]
        assert interval.value == 0.5
        assert [interval.low, interval.high] == pytest.approx([0.2, 0.8], abs=0.03)


def test_all_right_and_all_wrong_are_no_certainty() -> None:
    truth = np.arange(50) % 2
    for right, end in ((True, 1.0), (False, 0.0)):
        predicted = _decided(truth, np.full(50, right))
        found = intervals.bootstrap(["accuracy", "auc", "macro_f1"], truth, predicted, 1).metrics
        for interval in found.values():
            assert interval.value == end
            assert 0.05 < interval.high - interval.low < 0.25
            assert end in (interval.low, interval.high)
    mean = intervals.of_mean(np.ones(30), seed=1)
    assert (mean.value, mean.high) == (1, 1)
    assert mean.low == pytest.approx(30 / (30 + stats.t.ppf(0.975, 29) ** 2))


def test_one_example_of_a_class_or_at_all() -> None:
    truth, predicted = _binary(12)
    truth[:] = 0
    truth[0] = 1
    rare = intervals.bootstrap(["auc"], truth, predicted, seed=1).metrics["auc"]
    assert rare.high - rare.low > 0.8
    one = intervals.bootstrap(["accuracy"], truth[:1], _decided(truth[:1], [True]), seed=1)
    assert one.metrics["accuracy"].high == 1
    assert one.metrics["accuracy"].low < 0.05
    assert np.isnan(intervals.bootstrap(["mae"], np.ones(1), np.zeros(1), 1).metrics["mae"].low)
    assert np.isnan(intervals.of_mean(np.empty(0), seed=1).value)


def test_classes_keep_their_sizes_where_they_are_needed() -> None:
    classes = np.array([0, 1, 0, 2, 0, 1, 0])
    drawn = np.concatenate(list(resampling.draw(classes, 1, 500)))
    for code, size in enumerate([4, 2, 1]):
        assert drawn[:, classes == code].sum(1) == pytest.approx(np.full(500, size))
        assert drawn[:, classes == code].mean(0) == pytest.approx(np.ones(size), abs=0.1)
    values = np.arange(20.0)
    means = np.concatenate([w @ values / 20 for w in resampling.draw(np.zeros(20), 1, 20_000)])
    assert means.std() == pytest.approx(values.std(ddof=1) / np.sqrt(20), rel=0.02)


def test_a_constant_model_has_no_spread() -> None:
    truth, _ = _binary(40)
    found = intervals.bootstrap(["auc", "mcc"], truth, np.full((40, 2), 0.5), seed=1).metrics
    assert (found["auc"].low, found["auc"].high) == (0.5, 0.5)
    assert (found["mcc"].low, found["mcc"].high) == (0, 0)
    numbers = np.arange(10.0)
    right = intervals.bootstrap(["r2", "rmse"], numbers, numbers, seed=1).metrics
    assert (right["r2"].low, right["r2"].high) == (1, 1)
    assert (right["rmse"].low, right["rmse"].high) == (0, 0)


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
    monkeypatch.setattr(resampling, "_CELLS", 60 * 7)
    assert first == intervals.bootstrap(names, truth, predicted, seed=3)


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
