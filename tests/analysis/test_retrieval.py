"""Partners found by cosine, against loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sslkit.analysis import retrieval
from sslkit.probes import intervals


def slow(queries: np.ndarray, candidates: np.ndarray) -> list[float]:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        norms = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / norms) if norms else 0.0

    ranks = []
    for n, query in enumerate(queries):
        near = [cosine(query, other) for other in candidates]
        better = sum(one > near[n] + 1e-12 for one in near)
        equal = sum(abs(one - near[n]) <= 1e-12 for one in near) - 1
        ranks.append(1 + better + equal / 2)
    return ranks


@given(st.integers(1, 12), st.integers(0, 100))
def test_ranks_in_loops(size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    queries, candidates = generator.normal(size=(2, size, 4))
    found = retrieval.search(queries, candidates)
    assert found.rank.tolist() == slow(queries, candidates)
    sparsely = retrieval.search(sparse.csr_array(queries), sparse.csr_array(candidates))
    assert sparsely.rank.tolist() == found.rank.tolist()
    assert (found.hits == (found.nearest == np.arange(size))).all()


def test_what_tells_nothing_finds_nothing() -> None:
    found = retrieval.search(np.ones((9, 3)), np.ones((9, 3)))
    assert found.rank.tolist() == [5.0] * 9
    assert not found.hits.any()
    assert retrieval.search(np.zeros((3, 2)), np.eye(3, 2)).rank.tolist() == [2.0] * 3


def test_bags_weigh_rare_tokens_more() -> None:
    rows = [np.array([0, 1, 1]), np.array([0]), np.array([], np.int64)]
    weights = retrieval.rarity(rows, 4)
    assert weights.tolist() == pytest.approx(
        [math.log(4 / 3) + 1, math.log(2) + 1, 0, 0], abs=1e-12
    )
    held = retrieval.bags(rows, 4, weights).toarray()
    assert held.tolist() == [
        pytest.approx([weights[0], 2 * weights[1], 0, 0]),
        pytest.approx([weights[0], 0, 0, 0]),
        [0, 0, 0, 0],
    ]


def test_a_dictionary_gives_the_nearest() -> None:
    found = retrieval.dictionary(
        np.array([[1.0, 0], [0, -2]]), np.array([[0, -1.0], [3, 1], [0, 0]])
    )
    assert found.tolist() == [1, 0]


def test_the_interval_of_a_mean_covers_it() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for seed in range(60):
        held = intervals.of_mean(generator.random(80), seed, 200)
        covered += held.low <= 0.5 <= held.high
    assert covered >= 50
