"""What holds for every schedule, present and to come."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import catalog
from sslkit.contracts.optimizer import Course, Schedule
from sslkit.errors import UsageError

each = pytest.mark.parametrize("name", catalog.names("schedule"))
#: Those that look at nothing but the step.
FIXED = [name for name in catalog.names("schedule") if name != "pi"]
fixed = pytest.mark.parametrize("name", FIXED)


def made(name: str, steps: int, rising: int, /, **settings: Any) -> Schedule:
    module = catalog.load("schedule", name)
    found: Schedule = module.Schedule(module.Settings(**settings), Course(steps, rising))
    return found


def factors(schedule: Schedule, steps: int) -> list[float]:
    return [schedule.factor(step, 2.0, 1.0 + step % 3) for step in range(steps)]


@each
@given(steps=st.integers(20, 300), share=st.floats(0, 0.5))
def test_warm_up_is_linear_and_what_follows_stays_within_bounds(
    name: str, steps: int, share: float
) -> None:
    warmup = max(1, round(share * steps))
    found = factors(made(name, steps, warmup), steps)
    assert found[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert all(0 < factor <= 10.0 + 1e-12 for factor in found)


@fixed
@given(steps=st.integers(20, 300), share=st.floats(0, 0.5))
def test_it_falls_from_the_peak_without_a_jump(name: str, steps: int, share: float) -> None:
    warmup = max(1, round(share * steps))
    found = factors(made(name, steps, warmup), steps)[warmup - 1 :]
    assert found[0] == pytest.approx(1.0)
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(found))
    # The steepest is the fall of wsd: all the way within a fifth of the run.
    most = max(1 / max(1, round(0.2 * steps)), 1 - math.sqrt(warmup / (warmup + 1)), 4 / steps)
    assert all(a - b <= most + 1e-9 for a, b in itertools.pairwise(found))


@each
def test_a_warm_up_of_its_own_comes_first(name: str) -> None:
    assert factors(made(name, 100, 10, warmup=4), 4) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert factors(made(name, 100, 10, warmup=0.2), 1) == pytest.approx([0.05])
    assert 0 < made(name, 100, 10, warmup=0).factor(0, 2.0, 1.0) <= 1
    with pytest.raises(UsageError, match="does not fit into 100"):
        made(name, 100, 10, warmup=101)
    for wrong in (-1.0, 1.5, math.inf, math.nan):
        with pytest.raises(ValueError, match="warmup is a number of steps"):
            made(name, 100, 10, warmup=wrong)


@each
def test_it_goes_on_from_its_state_to_the_bit(name: str) -> None:
    def asked(schedule: Schedule, steps: range) -> list[Any]:
        return [
            (schedule.factor(s, 2 + math.sin(s), 1 + s % 7 / 3), schedule.trace()) for s in steps
        ]

    whole = asked(made(name, 60, 8), range(60))
    for cut in (0, 1, 7, 8, 9, 40, 60):
        first = made(name, 60, 8)
        begun = asked(first, range(cut))
        second = made(name, 60, 8)
        second.load_state_dict(first.state_dict())
        assert begun + asked(second, range(cut, 60)) == whole


@fixed
def test_the_state_of_another_schedule_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="another schedule"):
        made(name, 60, 8).load_state_dict(made("pi", 60, 8).state_dict())


def test_ends() -> None:
    assert made("cosine", 100, 10).factor(100, 1.0, 1.0) == pytest.approx(0.1)
    assert made("cosine", 100, 10).factor(55, 1.0, 1.0) == pytest.approx(0.55)
    assert made("cosine", 100, 10, floor=0.0).factor(55, 1.0, 1.0) == pytest.approx(0.5)
    assert made("constant", 100, 10).factor(99, 1.0, 1.0) == 1.0
    assert made("inverse-sqrt", 100, 10).factor(39, 1.0, 1.0) == pytest.approx(0.5)
    wsd = made("wsd", 100, 10, decay=0.5, floor=0.2)
    assert wsd.factor(50, 1.0, 1.0) == 1.0
    assert wsd.factor(75, 1.0, 1.0) == pytest.approx(0.6)
    assert wsd.factor(100, 1.0, 1.0) == pytest.approx(0.2)
    assert made("wsd", 100, 10, shape="root").factor(85, 1.0, 1.0) == pytest.approx(0.5)
    assert made("pi", 100, 10, decay=0.2).factor(90, 1.0, 1.0) == pytest.approx(0.5)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="wsd cannot rise for 60 steps and fall for 50"):
        made("wsd", 100, 60, decay=0.5)
    wrong: list[tuple[str, str, Any]] = [
        ("cosine", "floor", 1.5), ("wsd", "floor", -0.1), ("wsd", "decay", 0.0),
        ("pi", "target", 0.0), ("pi", "smoothing", 1.0), ("pi", "least", 0.0), ("pi", "most", 0.5),
        ("pi", "change", 0.0), ("pi", "proportional", -1.0), ("pi", "decay", 1.0),
    ]  # fmt: skip
    for name, setting, value in wrong:
        with pytest.raises(ValueError, match=setting):
            made(name, 100, 10, **{setting: value})
