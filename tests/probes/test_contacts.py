"""Contacts against loops over pairs; what a regression over heads finds where heads know."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.probes import contacts
from sslkit.probes.contacts import Regression, Truth


def random_truth(seed: int, length: int = 40, missing: int = 3) -> Truth:
    """A chain that wanders in space: neighbours 4 Angstrom apart."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(length, 3))
    places = np.cumsum(4 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0)
    places[rng.choice(length, missing, replace=False)] = np.nan
    return Truth.of(places)


def test_truth_is_what_loops_say() -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 15, (30, 3))
    places[4] = np.nan
    truth = Truth.of(places)
    for i, j in itertools.product(range(30), repeat=2):
        apart = math.dist(places[i], places[j])
        assert truth.contact[i, j] == (apart < 8)
        assert truth.known[i, j] == (4 not in (i, j))
    expected = [(i, j) for i in range(30) for j in range(i + 6, 30) if 4 not in (i, j)]
    assert list(zip(*map(np.ndarray.tolist, truth.pairs(6)), strict=True)) == expected


@given(st.integers(0, 10_000), st.sampled_from([6, 24]), st.booleans())
def test_precision_is_what_sorting_by_hand_says(seed: int, separation: int, tied: bool) -> None:
    truth = random_truth(seed)
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3 if tied else 10**9, (40, 40)).astype(float)
    scores = scores + scores.T
    found = contacts.precisions(scores, truth, separation)
    pairs = [
        (scores[i, j], bool(truth.contact[i, j]))
        for i, j in itertools.combinations(range(40), 2)
        if j - i >= separation and truth.known[i, j]
    ]
    for name, count in zip(contacts.names(separation), (40, 20, 8), strict=True):
        # What a random order of equal ones gives: each stands for the mean of its like.
        means = {s: np.mean([c for t, c in pairs if t == s]) for s in {s for s, _ in pairs}}
        best = sorted((s for s, _ in pairs), reverse=True)[:count]
        assert found[name] == pytest.approx(np.mean([means[s] for s in best]))


def test_perfect_scores_no_scores_and_no_pairs() -> None:
    truth = random_truth(3, 60, 0)
    perfect = contacts.precisions(truth.contact.astype(float), truth, 6)
    count = truth.contact[truth.pairs(6)].sum()
    assert perfect["separation_6_P@L"] == min(1, count / 60)
    chance = contacts.precisions(np.zeros((60, 60)), truth, 6)
    assert set(chance.values()) == {truth.contact[truth.pairs(6)].mean()}
    short = random_truth(3, 20, 0)
    assert all(math.isnan(v) for v in contacts.precisions(np.zeros((20, 20)), short).values())
    assert contacts.names() == ["long_range_P@L", "long_range_P@L/2", "long_range_P@L/5"]


def test_the_average_product_is_taken_off() -> None:
    """Dunn et al. 2008, eq. 3, in loops; a product of two factors leaves nothing but itself."""
    rng = np.random.default_rng(2)
    maps = rng.uniform(size=(2, 7, 7))
    maps = maps + maps.swapaxes(1, 2)
    found = contacts.corrected(maps)
    for m, held in enumerate(maps):
        mean = [np.mean([held[i, k] for k in range(7) if k != i]) for i in range(7)]
        for i, j in itertools.product(range(7), repeat=2):
            expected = 0 if i == j else held[i, j] - mean[i] * mean[j] / np.mean(mean)
            assert found[m, i, j] == pytest.approx(expected)
    assert (contacts.corrected(np.zeros((3, 3))) == 0).all()
    constant = contacts.corrected(np.full((5, 5), 2.5))
    np.testing.assert_allclose(constant, 0, atol=1e-12)


def families(count: int) -> tuple[list[Any], list[Truth]]:
    """Six heads a family, of which the third looks at contacts; its background differs by row."""
    maps, truths = [], []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        truth = random_truth(seed, 50, 2)
        heads = rng.uniform(size=(6, 50, 50))
        heads[2] += 0.8 * truth.contact
        heads *= rng.uniform(0.5, 1.5, (1, 50, 1))
        heads /= heads.sum(-1, keepdims=True)
        maps.append(contacts.prepared(heads))
        truths.append(truth)
    return maps, truths


def test_a_regression_finds_the_head_that_knows() -> None:
    maps, truths = families(5)
    model = Regression.fit(maps[:3], truths[:3], 0.15, seed=1)
    assert np.abs(model.weights).argmax() == 2
    assert model.weights[2] > 0
    for held, truth in zip(maps[3:], truths[3:], strict=True):
        likely = model.probabilities(held)
        np.testing.assert_allclose(likely, likely.T)
        judged = contacts.precisions(likely, truth, 6)["separation_6_P@L/5"]
        chance = contacts.precisions(np.zeros((50, 50)), truth, 6)["separation_6_P@L/5"]
        assert judged > 3 * chance
    # Strongly penalised, it keeps the best head alone; how loud a map is does not matter.
    sparse = Regression.fit(maps[:3], truths[:3], 0.003, seed=1)
    assert np.flatnonzero(sparse.weights).tolist() == [2]
    louder = Regression.fit([1000 * held for held in maps[:3]], truths[:3], 0.15, seed=1)
    np.testing.assert_allclose(1000 * louder.weights, model.weights, rtol=1e-2, atol=1e-2)


def test_structures_without_contacts_teach_nothing() -> None:
    maps, truths = families(1)
    none = Truth(np.zeros_like(truths[0].contact), truths[0].known)
    with pytest.raises(ValueError, match="0 contacts"):
        Regression.fit(maps, [none], 0.15, seed=1)


def test_the_interval_over_families() -> None:
    values = [0.1, 0.4, float("nan"), 0.3, 0.8]
    found = contacts.over_families(values, seed=1)
    assert found.value == pytest.approx(0.4)
    assert 0.1 <= found.low < 0.4 < found.high <= 0.8
    assert contacts.over_families(values, seed=1) == found
    assert math.isnan(contacts.over_families([float("nan")], seed=1).value)
