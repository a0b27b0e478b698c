"""The learning rate over a run."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.engine.schedule import cosine


def test_warm_up_is_linear_and_reaches_the_peak() -> None:
    assert [cosine(step, 100, 4) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_the_end_is_the_floor_and_the_middle_halfway() -> None:
    assert cosine(100, 100, 10) == pytest.approx(0.1)
    assert cosine(55, 100, 10) == pytest.approx(0.55)
    assert cosine(55, 100, 10, floor=0.0) == pytest.approx(0.5)
    assert cosine(25, 100, 0) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)))


@given(st.integers(1, 300), st.integers(0, 300), st.floats(0, 1))
def test_it_rises_then_falls_between_floor_and_peak(steps: int, warmup: int, floor: float) -> None:
    rates = [cosine(step, steps, warmup, floor) for step in range(steps)]
    peak = min(warmup, steps)
    assert all(0 < rate <= 1 + 1e-12 or floor == 0 for rate in rates)
    assert all(a < b for a, b in itertools.pairwise(rates[:peak]))
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(rates[peak:]))
    assert all(rate >= floor - 1e-12 for rate in rates[peak:])
