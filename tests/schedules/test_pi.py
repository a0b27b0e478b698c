"""The controller on plants whose answer is known."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.contracts.optimizer import Course
from sslkit.schedules import pi

WARMUP, STEPS = 20, 1200


class Plant:
    """Log ratio moves towards a line in the log rate, a part of the way in every step."""

    def __init__(self, slope: float = -0.5, lag: float = 0.05) -> None:
        self.slope, self.lag = slope, lag
        self.ratio = 0.3
        self.bias = 0.0

    def moved(self, factor: float) -> None:
        aim = math.log(0.3) + self.bias + self.slope * math.log(factor)
        self.ratio = math.exp(math.log(self.ratio) + self.lag * (aim - math.log(self.ratio)))


def controlled(
    plant: Plant, steps: int = STEPS, biases: dict[int, float] | None = None, **settings: Any
) -> list[dict[str, float]]:
    """The controller's trace; ``biases`` push the plant from some steps on."""
    schedule = pi.Schedule(pi.Settings(**settings), Course(steps, WARMUP))
    rows = []
    for step in range(steps):
        plant.bias = (biases or {}).get(step, plant.bias)
        plant.moved(schedule.factor(step, 2.0, 2.0 * plant.ratio))
        rows.append(schedule.trace())
    return rows


@pytest.mark.parametrize("target", [0.22, 0.3, 0.4])
@pytest.mark.parametrize("loss", [1e-3, 5.0])
def test_the_set_point_is_held_whatever_the_scale_of_the_loss(target: float, loss: float) -> None:
    rows = controlled(Plant(), target=target)
    for row in rows[300:]:
        assert row["ratio"] == pytest.approx(target, rel=0.02)
        assert not row["saturated"]
    schedule = pi.Schedule(pi.Settings(target=target), Course(10, 1))
    other = pi.Schedule(pi.Settings(target=target), Course(10, 1))
    for step in range(10):
        one = schedule.factor(step, loss, 0.25 * loss)
        assert one == pytest.approx(other.factor(step, 1.0, 0.25))


def test_it_is_held_against_a_push_and_where_more_rate_means_more_slope() -> None:
    rows = controlled(Plant(), target=0.3, biases={500: 0.3})
    assert rows[510]["ratio"] > 0.31
    assert rows[-1]["ratio"] == pytest.approx(0.3, rel=0.01)
    rows = controlled(Plant(slope=0.5), target=0.2, action="reverse")
    assert rows[-1]["ratio"] == pytest.approx(0.2, rel=0.01)


def test_after_a_long_time_at_a_limit_it_lets_go_at_once() -> None:
    # The set point cannot be reached for 2000 steps; then it can.
    rows = controlled(Plant(), 3000, target=0.3, most=3.0, biases={100: 3.0, 2100: 0.0})
    assert all(row["saturated"] for row in rows[200:2100])
    assert max(abs(row["integral"]) for row in rows) < 3.0
    assert rows[2000]["factor"] == pytest.approx(3.0)
    # No longer than after a short time at the limit.
    short = controlled(Plant(), 1300, target=0.3, most=3.0, biases={100: 3.0, 400: 0.0})
    left = [next(n for n, row in enumerate(r) if row["factor"] < 2.9) for r in (
        rows[2100:], short[400:])]  # fmt: skip
    assert left[0] == left[1]
    assert rows[-1]["ratio"] == pytest.approx(0.3, rel=0.01)
    # What would have been added up without a stop.
    assert sum(0.05 * 2.0 for _ in range(1900)) > 100 * rows[2000]["integral"]


def test_the_set_point_is_the_median_late_in_warm_up() -> None:
    schedule = pi.Schedule(pi.Settings(), Course(100, 6))
    for step, norm in enumerate([9.0, 9.0, 9.0, 0.5, 0.1, 0.3]):
        schedule.factor(step, 1.0, norm)
        assert "set_point" not in schedule.trace()
    schedule.factor(6, 1.0, 7.0)
    assert schedule.trace()["set_point"] == pytest.approx(0.3)
    assert schedule.results() == {"set_point": pytest.approx(0.3)}


def test_a_step_that_says_nothing_moves_nothing() -> None:
    schedule = pi.Schedule(pi.Settings(target=0.5), Course(100, 1))
    before = [schedule.factor(step, 1.0, 0.7) for step in range(5)][-1]
    held = schedule.state_dict()
    for loss, norm in ((0.0, 1.0), (1.0, 0.0), (-2.0, 1.0)):
        assert schedule.factor(5, loss, norm) == before
        assert "ratio" not in schedule.trace()
    assert schedule.state_dict() == held


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=5, max_size=120),
    st.floats(0.001, 1.0),
    st.floats(1.0, 100.0),
    st.floats(0.001, 0.5),
)
def test_limits_hold_whatever_is_measured(
    norms: list[float], least: float, most: float, change: float
) -> None:
    settings = pi.Settings(target=1.0, least=least, most=most, change=change)
    schedule = pi.Schedule(settings, Course(len(norms), 1))
    factors = [schedule.factor(step, 1.0, norm) for step, norm in enumerate(norms)]
    assert all(least * (1 - 1e-9) <= factor <= most * (1 + 1e-9) for factor in factors)
    for one, other in itertools.pairwise(factors):
        assert abs(math.log(other / one)) <= change + 1e-9
    # The integral holds no more than the limits and the largest error of one step.
    largest = max(abs(math.log(norm)) for norm in norms)
    bound = max(math.log(most), -math.log(least)) + 1.05 * largest + change
    assert abs(schedule.trace()["integral"]) <= bound


def test_at_its_end_the_rate_falls_to_nothing() -> None:
    rows = controlled(Plant(), 200, target=0.3, decay=0.25)
    tail = [row["factor"] for row in rows[150:]]
    assert all(a > b for a, b in itertools.pairwise(tail))
    assert tail[-1] < 0.05
    assert min(row["factor"] for row in rows[WARMUP:150]) > 0.5
