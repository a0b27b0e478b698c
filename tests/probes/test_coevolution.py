"""Weights and mutual information against loops, and what each must find in made-up families."""

import itertools
import math

import numpy as np
import pytest

from sslkit.probes import coevolution
from sslkit.probes.coevolution import GAP


def family(seed: int, count: int = 200) -> coevolution.States:
    """Eight columns, of which the second and the seventh change together."""
    rng = np.random.default_rng(seed)
    held = rng.integers(0, 4, (count, 8)).astype(np.int8)
    held[:, 6] = np.where(rng.uniform(size=count) < 0.7, (held[:, 1] + 1) % 4, held[:, 6])
    return held


def test_states_of_letters() -> None:
    letters = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY-XBZJ.", np.uint8)[None]
    assert coevolution.states(letters)[0].tolist() == [*range(20), *[GAP] * 6]
    hot = coevolution.one_hot(np.array([[3, GAP]], np.int8))
    assert np.flatnonzero(hot[0]).tolist() == [3, 21 + GAP]
    assert np.flatnonzero(coevolution.one_hot(np.array([[3, GAP]], np.int8), GAP)[0]).tolist() == [
        3
    ]


@pytest.mark.parametrize("columns", [5, 10, 13])
def test_weights_are_what_loops_count(columns: int) -> None:
    rng = np.random.default_rng(columns)
    held = rng.integers(0, 2, (600, columns)).astype(np.int8)
    found = coevolution.weights(held)
    for n in rng.choice(600, 20):
        alike = sum(sum(a == b for a, b in zip(held[n], other, strict=True)) >= 0.8 * columns
                    for other in held)  # fmt: skip
        assert found[n] == pytest.approx(1 / alike)


def test_mutual_information_is_what_loops_count() -> None:
    held = family(1, 30)
    held[::5, 2] = GAP
    weight = np.random.default_rng(2).uniform(0.2, 1, 30)
    found = coevolution.mutual_information(held, weight, 0.05)
    assert (np.diag(found) == 0).all()
    for i, j in [(1, 6), (2, 3), (5, 0)]:
        joint = dict.fromkeys(itertools.product(range(20), repeat=2), 0.05)
        for row, w in zip(held, weight, strict=True):
            if GAP not in (row[i], row[j]):
                joint[int(row[i]), int(row[j])] += w
        total = sum(joint.values())
        first = [sum(joint[a, b] for b in range(20)) / total for a in range(20)]
        second = [sum(joint[a, b] for a in range(20)) / total for b in range(20)]
        expected = sum(
            p / total * math.log(p / total / (first[a] * second[b])) for (a, b), p in joint.items()
        )
        assert found[i, j] == pytest.approx(expected, rel=1e-5)
        assert found[j, i] == found[i, j]


def test_columns_that_change_together_stand_out() -> None:
    held = family(3, 1000)
    found = coevolution.mutual_information(held, np.ones(1000))
    assert np.unravel_index(found.argmax(), found.shape) in {(1, 6), (6, 1)}
    # Without a pseudo-count, independent constant columns know nothing of each other.
    held[:, 3:5] = 7
    none = coevolution.mutual_information(held, np.ones(1000), 0.0)
    assert none[3, 4] == 0
