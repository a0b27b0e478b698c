"""Random numbers depend on where they are used and on nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng


def test_a_row_is_the_same_in_any_company() -> None:
    whole = rng.Counter(1, 5, np.arange(64)).uniform("mask", 100)
    part = rng.Counter(1, 5, np.array([40, 3])).uniform("mask", 100)
    np.testing.assert_array_equal(part, whole[[40, 3]])
    np.testing.assert_array_equal(
        rng.Counter(1, 5, np.arange(64)).uniform("mask", 10), whole[:, :10]
    )


def test_seed_step_and_purpose_all_matter() -> None:
    rows = np.arange(8)
    first = rng.Counter(1, 5, rows).uniform("mask", 50)
    for other in (
        rng.Counter(2, 5, rows).uniform("mask", 50),
        rng.Counter(1, 6, rows).uniform("mask", 50),
        rng.Counter(1, 5, rows).uniform("strand", 50),
        rng.Counter(1, 5, rows + 8).uniform("mask", 50),
    ):
        assert not (first == other).any()


def test_uniform_is_uniform_and_rows_are_not_alike() -> None:
    drawn = rng.Counter(3, 0, np.arange(400)).uniform("x", 500)
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() < 1e-4
    assert 0.9999 < drawn.max() < 1
    counts, _ = np.histogram(drawn, 64, (0, 1))
    expected = drawn.size / 64
    # Chi-square of 63 degrees of freedom: below 120 but for one case in 10^5.
    assert ((counts - expected) ** 2 / expected).sum() < 120
    correlation = np.corrcoef(drawn[:50])
    assert np.abs(correlation - np.eye(50)).max() < 0.25


def test_keys_tell_types_and_order_apart() -> None:
    parts: list[tuple[int | str, ...]] = [(1, 2), (2, 1), ("1", 2), (12,), (1, "2"), ()]
    assert len({int(rng.key(*each)) for each in parts}) == len(parts)


@given(st.integers(1, 3000), st.integers(0, 2**63))
def test_permutation_is_one(size: int, key: int) -> None:
    found = rng.permute(np.arange(size), size, np.uint64(key))
    assert sorted(found.tolist()) == list(range(size))


def test_permutation_works_in_parts_and_differs_by_key() -> None:
    whole = rng.permute(np.arange(1000), 1000, rng.key(1))
    np.testing.assert_array_equal(rng.permute(np.array([7, 3]), 1000, rng.key(1)), whole[[7, 3]])
    other = rng.permute(np.arange(1000), 1000, rng.key(2))
    assert (whole == other).sum() < 20
    assert (whole == np.arange(1000)).sum() < 20


@pytest.mark.parametrize("size", [10**12])
def test_permutation_of_more_than_memory_holds(size: int) -> None:
    found = rng.permute(np.arange(100), size, rng.key("large"))
    assert len(set(found.tolist())) == 100
    assert found.max() < size
    assert found.max() > size // 2
