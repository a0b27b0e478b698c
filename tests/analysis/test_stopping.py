"""When a run should end: by the upper end of what is expected, and not by one lucky draw."""

import numpy as np
import pytest

from sslkit.analysis import scaling, stopping
from sslkit.analysis.stopping import FEWEST, Rule


def logged(value: "list[float]", metric: str = "probe_auc") -> list[dict[str, float]]:
    """Rows of a run that was evaluated every 1000 tokens."""
    return [{"step": n, "tokens": 1000.0 * n, metric: v} for n, v in enumerate(value, 1)]


def saturating(count: int, noise: float = 0.0, seed: int = 0) -> list[float]:
    generator = np.random.default_rng(seed)
    place = np.arange(1, count + 1)
    found: list[float] = (0.9 - 0.3 * place**-1.0 + noise * generator.normal(size=count)).tolist()
    return found


def ended(rows: list[dict[str, float]], rule: Rule) -> int | None:
    """The number of rows at which a rule ends a run."""
    return next((n for n in range(1, len(rows) + 1) if rule.reason(rows[:n])), None)


def test_it_stops_where_the_law_says() -> None:
    rows = logged(saturating(60))
    # 0.3 / n - 0.3 / (2 n) is below .01 from n = 16 on, and one evaluation more is waited for.
    assert ended(rows, Rule(0.01, "probe_auc")) == 17
    assert ended(rows, Rule(1.0, "probe_auc")) == FEWEST + 1
    assert ended(rows, Rule(0.0001, "probe_auc")) is None
    falling = [{**row, "heldout_loss": -row["probe_auc"]} for row in rows]
    assert ended(falling, Rule(0.01, "heldout_loss")) == 17
    assert "less than 0.01" in Rule(0.01, "probe_auc").reason(rows[:17])


def test_noise_makes_it_wait() -> None:
    quiet, noisy = (
        [ended(logged(saturating(80, noise, seed)), Rule(0.01, "probe_auc")) or 99
         for seed in range(6)] for noise in (0.0005, 0.005)
    )  # fmt: skip
    assert np.median(noisy) > np.median(quiet) >= 16


def test_it_rarely_stops_what_still_gains() -> None:
    """The gain is .02 at the end, twice what is asked for."""
    early = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        place = np.arange(1, 31)
        value = 0.5 + 0.1 * np.log(place) / np.log(30) + 0.004 * generator.normal(size=30)
        early += ended(logged(value.tolist()), Rule(0.01, "probe_auc")) is not None
    assert early <= 3


def test_a_decision_is_a_function_of_the_rows() -> None:
    rows = logged(saturating(30, 0.002))
    rule = Rule(0.02, "probe_auc")
    assert [rule.reason(rows[:n]) for n in range(1, 31)] == [
        Rule(0.02, "probe_auc").reason([dict(row) for row in rows[:n]]) for n in range(1, 31)
    ]


def test_evaluations_without_the_metric_are_passed_over() -> None:
    rows = logged(saturating(20))
    between = [{"tokens": 500.0 + 1000 * n, "heldout_loss": 1.0} for n in range(20)]
    mixed = sorted([*rows, *between], key=lambda row: row["tokens"])
    rule = Rule(0.01, "probe_auc")
    assert rule.forecast(mixed) == rule.forecast(rows)
    assert not rule.reason([*rows, between[0]])


def test_a_run_that_has_not_begun_to_learn_goes_on() -> None:
    rows = [{**row, "heldout_loss": 2.0, "floor_loss": 1.9} for row in logged([0.8] * 12)]
    assert not Rule(0.01, "probe_auc").reason(rows)
    rows[-1]["heldout_loss"] = 1.8
    assert Rule(0.01, "probe_auc").reason(rows)


def test_a_gain_is_an_improvement_either_way() -> None:
    spent = np.arange(1.0, 13)
    rising = scaling.fit(spent, 0.9 - 0.3 / spent)
    falling = scaling.fit(spent, 2 + 0.3 / spent)
    one = stopping.gain(rising, "probe_auc", 12.0)
    other = stopping.gain(falling, "probe_rmse", 12.0)
    assert one.value == pytest.approx(0.0125, abs=1e-4)
    assert other.value == pytest.approx(0.0125, abs=1e-4)
    assert one.low <= one.value <= one.high


def test_the_beginning_is_left_out() -> None:
    spent, _ = stopping.points(logged([1.0] * 40), "probe_auc", "tokens")
    assert spent.tolist() == [1000.0 * n for n in range(4, 41)]
    empty, _ = stopping.points([], "probe_auc", "tokens")
    assert not len(empty)
