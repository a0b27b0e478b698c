"""Splits: groups stay together, shares are exact, duplicates across given parts are dropped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.data import splits
from sslkit.errors import DataError, UsageError

_TABLES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25)), min_size=12, max_size=80)


def _numbers(table: list[tuple[int, int]]) -> tuple[splits.IntArray, splits.IntArray]:
    array = np.array(table, np.int64)
    return array[:, 0], array[:, 1]


@settings(max_examples=100, deadline=None)
@given(_TABLES, st.integers(0, 5))
def test_groups_never_stand_on_two_sides(table: list[tuple[int, int]], seed: int) -> None:
    strata, groups = _numbers(table)
    part = splits.divide(strata, groups, [0.15, 0.2], seed)
    fold = splits.folds(strata, groups, 4, seed)
    for group in np.unique(groups):
        assert len(np.unique(part[groups == group])) == 1
        assert len(np.unique(fold[groups == group])) == 1
    assert set(part) <= {0, 1, 2}
    assert set(fold) <= {0, 1, 2, 3}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=20, max_size=200),
    st.sampled_from([(0.2,), (0.1, 0.2), (0.05, 0.29)]),
    st.integers(0, 5),
)
def test_shares_are_exact_to_rounding(
    labels: list[int], shares: tuple[float, ...], seed: int
) -> None:
    strata = np.array(labels, np.int64)
    part = splits.divide(strata, np.arange(len(labels)), shares, seed)
    counts = np.unique(strata, return_counts=True)[1]
    for number, share in enumerate(shares, start=1):
        if counts.min() > 6:
            assert abs((part == number).sum() - len(labels) * share) <= 0.5 + 1e-9
        for stratum in np.unique(strata):
            mine = strata == stratum
            assert abs((part[mine] == number).sum() - mine.sum() * share) < 1 + 1e-9
    assert set(strata[part == 0]) == set(labels)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=10, max_size=120), st.integers(2, 7))
def test_folds_differ_by_at_most_one(labels: list[int], count: int) -> None:
    strata = np.array(labels, np.int64)
    fold = splits.folds(strata, np.arange(len(labels)), count, 3)
    sizes = np.bincount(fold, minlength=count)
    assert sizes.max() - sizes.min() <= 1
    for stratum in np.unique(strata):
        sizes = np.bincount(fold[strata == stratum], minlength=count)
        assert sizes.max() - sizes.min() <= 1


def test_pairs_of_duplicates_still_give_the_share() -> None:
    strata = np.repeat([0, 1], 200).astype(np.int64)
    groups = np.arange(400) // 2
    part = splits.divide(strata, groups, [0.2], 1)
    assert [(part[strata == s] == 1).sum() for s in (0, 1)] == [40, 40]


def test_singles_make_up_for_groups() -> None:
    generator = np.random.default_rng(0)
    strata = generator.integers(0, 2, 500)
    groups = np.where(np.arange(500) < 100, np.arange(500) // 5, np.arange(500))
    part = splits.divide(strata, groups, [0.1, 0.2], 4)
    for number, share in ((1, 0.1), (2, 0.2)):
        for stratum in (0, 1):
            mine = strata == stratum
            assert abs((part[mine] == number).sum() - mine.sum() * share) < 1


def test_a_group_too_large_for_any_part_stays_in_train() -> None:
    strata = np.zeros(100, np.int64)
    groups = np.where(np.arange(100) < 90, 0, np.arange(100))
    part = splits.divide(strata, groups, [0.1], 1)
    assert (part[:90] == 0).all()
    assert (part[90:] == 1).sum() == 10


def test_same_seed_same_split_and_another_seed_another() -> None:
    strata = np.arange(300) % 3
    groups = np.arange(300) // 2
    first = splits.divide(strata, groups, [0.2], 7)
    np.testing.assert_array_equal(first, splits.divide(strata, groups, [0.2], 7))
    assert (first != splits.divide(strata, groups, [0.2], 8)).any()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(splits.PARTS), st.integers(0, 30)), min_size=1, max_size=60)
)
def test_duplicates_across_given_parts_are_dropped_as_a_slow_reference_does(
    table: list[tuple[str, int]],
) -> None:
    given_parts = [name for name, _ in table]
    groups = np.array([group for _, group in table], np.int64)
    keep = []
    for name, group in table:
        later = splits.PARTS[splits.PARTS.index(name) + 1 :]
        keep.append(not any(n in later and g == group for n, g in table))
    if not any(kept and name == "train" for kept, (name, _) in zip(keep, table, strict=True)):
        with pytest.raises(DataError):
            splits.split(groups * 0, groups, {}, 1, given_parts)
        return
    found = splits.split(groups * 0, groups, {}, 1, given_parts)
    assert ((found.part >= 0) == keep).all()
    assert sum(found.dropped.values()) == keep.count(False)
    assert "test" not in found.dropped
    sides = [set(groups[found.rows(name)]) for name in splits.PARTS]
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(splits.PARTS[::2]), st.integers(0, 20)), min_size=4, max_size=60
    ),
    st.integers(0, 5),
)
def test_families_hold_in_what_is_made_and_duplicates_in_what_is_given(
    table: list[tuple[str, int]], seed: int
) -> None:
    table.append(("train", 99))
    given_parts = [name for name, _ in table]
    groups = splits.group_numbers([group for _, group in table])
    families = splits.family_numbers([group // 4 for _, group in table], groups)
    plain = splits.split(groups * 0, groups, {"valid": 0.2}, seed, given_parts)
    found = splits.split(groups * 0, groups, {"valid": 0.2}, seed, given_parts, families)
    # What is dropped, and the part that is given, hang on duplicates alone.
    assert found.dropped == plain.dropped
    assert ((found.part < 0) == (plain.part < 0)).all()
    assert list(found.rows("test")) == list(plain.rows("test"))
    train, valid = (set(families[found.rows(name)]) for name in ("train", "valid"))
    assert not train & valid
    assert found.together == plain.together


def test_a_group_is_of_the_family_of_its_first_record() -> None:
    groups = splits.group_numbers(["a", "b", "a", "c"])
    assert list(splits.family_numbers(["x", "y", "y", "x"], groups)) == [0, 1, 0, 0]


def test_a_missing_part_is_made_from_train_only() -> None:
    groups = np.arange(120)
    given_parts = ["train"] * 100 + ["test"] * 20
    found = splits.split(groups % 2, groups, {"valid": 0.1, "test": 0.2}, 1, given_parts)
    assert found.made == ("valid",)
    assert list(found.rows("test")) == list(range(100, 120))
    assert len(found.rows("valid")) == 10
    assert found.together == 0


def test_group_numbers_follow_first_appearance() -> None:
    assert list(splits.group_numbers([b"x", b"y", b"x", b"z"])) == [0, 1, 0, 2]


def test_quantile_strata_are_equally_filled_and_ordered() -> None:
    values = np.random.default_rng(0).normal(size=95)
    strata = splits.quantile_strata(values, 10)
    assert np.bincount(strata).min() >= 9
    assert (np.diff(strata[np.argsort(values)]) >= 0).all()


@pytest.mark.parametrize("shares", [[0.0], [1.0], [0.6, 0.5]])
def test_impossible_shares_are_refused(shares: list[float]) -> None:
    with pytest.raises(UsageError):
        splits.divide(np.zeros(10, np.int64), np.arange(10), shares, 1)


def test_more_folds_than_records_are_refused() -> None:
    with pytest.raises(UsageError):
        splits.folds(np.zeros(3, np.int64), np.arange(3), 5, 1)


def test_what_a_model_knows_is_in_no_part_that_is_made() -> None:
    strata, groups = np.arange(100) % 2, np.arange(100) // 2 * 2
    learned = np.arange(100) >= 40
    made = splits.split(strata, groups, {"test": 0.2}, 1, learned=learned)
    assert made.rows("test").max() < 40
    assert len(made.rows("test")) == 20
    assert len(made.rows("train")) == 80
    parts = ["test" if n < 50 else "train" for n in range(100)]
    kept = splits.split(strata, groups, {"test": 0.2}, 1, parts, learned=learned)
    assert kept.rows("test").tolist() == list(range(40))
    assert kept.dropped == {"test": 10}
    with pytest.raises(DataError):
        splits.split(strata, groups, {"test": 0.2}, 1, learned=np.ones(100, bool))
    plain = splits.split(strata, groups, {"test": 0.2}, 1)
    nothing = splits.split(strata, groups, {"test": 0.2}, 1, learned=np.zeros(100, bool))
    assert plain.part.tolist() == nothing.part.tolist()
