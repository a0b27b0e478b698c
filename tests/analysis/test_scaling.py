"""The law is found again from noisy curves, within its intervals about as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.analysis import scaling
from sslkit.analysis.scaling import Floats
from sslkit.errors import DataError

EXPONENTS = st.floats(0.05, 2.0)


def curve(spent: Floats, limit: float, scale: float, exponent: float) -> Floats:
    """The law as it is written, beside the way in which it is fitted."""
    found: Floats = limit + scale * spent**-exponent
    return found


@given(EXPONENTS, st.floats(-3, 3), st.floats(0.1, 2), st.sampled_from([1.0, 1e9]))
def test_an_exact_curve_gives_its_law(
    exponent: float, limit: float, scale: float, unit: float
) -> None:
    spent = np.linspace(0.1, 1, 16)
    law = scaling.fit(spent * unit, curve(spent, limit, scale, exponent))
    # The best exponent of the finest grid.
    assert law.exponent.value == pytest.approx(exponent, rel=1e-3)
    assert law.scale.value == pytest.approx(scale, rel=2e-3)
    assert law.limit.value == pytest.approx(limit, abs=4e-3)
    wanted = curve(np.array([1.0, 2.0]), limit, scale, exponent)
    assert law.at(2 * unit).value == pytest.approx(wanted[1], abs=1e-4)
    assert law.fall(unit).value == pytest.approx(wanted[0] - wanted[1], abs=1e-4)
    assert law.curve(spent * unit) == pytest.approx(curve(spent, limit, scale, exponent), abs=1e-4)


@given(EXPONENTS, st.floats(0.2, 5), st.floats(-4, 4))
def test_units_of_either_axis_change_no_more_than_units(
    exponent: float, factor: float, shift: float
) -> None:
    spent = np.linspace(0.1, 1, 12)
    noise = 0.01 * np.sin(37 * np.arange(12) ** 2)
    value = curve(spent, 1.0, 0.5, exponent) + noise
    one, other = scaling.fit(spent, value), scaling.fit(spent * 1e12, factor * value + shift)
    assert other.exponent.value == pytest.approx(one.exponent.value, rel=1e-6)
    for end in ("value", "low", "high"):
        fell = getattr(one.fall(1.0), end), getattr(other.fall(1e12), end)
        assert fell[1] == pytest.approx(factor * fell[0], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("points", [8, 20])
@pytest.mark.parametrize(("noise", "exponent"), [(0.002, 0.5), (0.02, 0.2), (0.02, 1.5)])
@pytest.mark.parametrize("scale", [0.5, -0.1])
def test_intervals_hold_the_truth_at_about_their_rate(
    points: int, noise: float, exponent: float, scale: float
) -> None:
    generator = np.random.default_rng(points)
    spent = np.arange(1, points + 1) / points
    truth = curve(spent, 2.0, scale, exponent)
    ends = curve(np.array([1.0, 2.0]), 2.0, scale, exponent)
    wanted = (2.0, ends[1], ends[0] - ends[1])
    held = np.zeros(len(wanted))
    rounds = 60
    for _ in range(rounds):
        law = scaling.fit(spent * 1e6, truth + noise * generator.normal(size=points))
        found = (law.limit, law.at(2e6), law.fall(1e6))
        held += [one.low <= true <= one.high for one, true in zip(found, wanted, strict=True)]
    # Of 60, 52 or fewer come by chance once in 400 at 95%.
    assert (held >= 52).all()


def test_neighbours_that_err_alike_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    spent = np.arange(1, 41) / 40
    free = 0.01 * generator.normal(size=40)
    waves = np.convolve(free, np.ones(6) / np.sqrt(6), "same")
    one, other = (scaling.fit(spent, curve(spent, 2, 0.5, 0.5) + e) for e in (free, waves))
    assert other.correlation > 0.4 > one.correlation
    width = [law.fall(1.0).high - law.fall(1.0).low for law in (one, other)]
    assert width[1] > 1.3 * width[0]


def test_an_exact_minimum_is_no_worse_than_a_fine_search() -> None:
    generator = np.random.default_rng(1)
    spent = np.linspace(0.1, 1, 15)
    value = curve(spent, 1, 0.3, 0.7) + 0.01 * generator.normal(size=15)
    law = scaling.fit(spent, value)
    best = np.inf
    for exponent in np.geomspace(0.01, 8, 4000):
        columns = np.stack([np.ones(15), spent**-exponent], axis=1)
        best = min(best, float(np.linalg.lstsq(columns, value, rcond=None)[1][0]))
    assert float(law.squares.min()) <= best * (1 + 1e-6)


@pytest.mark.parametrize(
    ("spent", "value", "message"),
    [
        ([1.0], [2.0], "to 1 point"),
        ([1.0, 1.0, 2.0, 3.0], [1.0] * 4, "to 3 point"),
        ([0.0, 1.0, 2.0, 3.0], [1.0] * 4, "above 0"),
        ([1.0, 2.0, 3.0, 4.0], [1.0, np.nan, 1.0, 1.0], "finite"),
    ],
)
def test_what_no_law_can_be_fitted_to(spent: list[float], value: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        scaling.fit(spent, value)


def test_a_constant_is_a_law_too() -> None:
    law = scaling.fit(np.arange(1.0, 11), np.full(10, 3.0))
    assert law.fall(10.0).value == pytest.approx(0, abs=1e-9)
    assert law.at(1e3).value == pytest.approx(3)


def test_a_straight_line_in_log_space_has_no_limit_in_sight() -> None:
    generator = np.random.default_rng(2)
    spent = np.linspace(0.1, 1, 20)
    noise = 0.01 * generator.normal(size=20)
    assert not scaling.fit(spent, 2 - 0.1 * np.log(spent) + noise).settles
    assert scaling.fit(spent, curve(spent, 2, 0.5, 1.0) + noise).settles
