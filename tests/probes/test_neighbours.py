"""k nearest neighbours: against a plain loop; duplicates have no vote on k."""

from typing import Any

import numpy as np
import pytest

from sslkit.probes import neighbours
from sslkit.probes.training import Training


def _training(features: Any, values: Any, classes: int, groups: Any = None) -> Training:
    groups = np.arange(len(values)) if groups is None else groups
    return Training(features, values, groups, classes, seed=1)


@pytest.mark.parametrize("classes", [3, 0])
def test_predictions_agree_with_a_plain_loop(classes: int) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(2, 1, (90, 5))
    values = generator.integers(0, 3, 90) if classes else generator.normal(size=90)
    found = neighbours.answer(_training(features[:70], values[:70], classes), features[70:])
    count = int(found.chosen["k"])
    mean = features[:70].mean(axis=0)
    for query, answer in zip(features[70:], found.predicted, strict=True):
        a, b = query - mean, features[:70] - mean
        cosine = b @ a / np.linalg.norm(a) / np.linalg.norm(b, axis=1)
        near = values[:70][np.argsort(-cosine)[:count]]
        if classes:
            prior = np.bincount(values[:70], minlength=3) / 70
            np.testing.assert_allclose(
                answer, (np.bincount(near, minlength=3) + prior) / (count + 1)
            )
        else:
            assert answer == pytest.approx(near.mean())


def test_noise_asks_many_neighbours_and_signal_few() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(300, 4))
    noise = neighbours.answer(_training(features, generator.normal(size=300), 0), features[:5])
    angle = np.arctan2(features[:, 0], features[:, 1])
    flat = features[:, :2]
    signal = neighbours.answer(_training(flat, np.round(angle), 0), flat[:5])
    assert signal.chosen["k"] <= 11 < 21 <= noise.chosen["k"]


def test_duplicates_have_no_vote_on_k() -> None:
    generator = np.random.default_rng(2)
    features = np.repeat(generator.normal(size=(60, 5)), 3, axis=0)
    values = np.repeat(generator.integers(0, 2, 60), 3)
    leaky = neighbours.answer(_training(features, values, 2), features[:3]).chosen["k"]
    groups = np.repeat(np.arange(60), 3)
    kept = neighbours.answer(_training(features, values, 2, groups), features[:3]).chosen["k"]
    assert leaky <= 3 < kept


def test_one_group_and_zero_vectors_are_survived() -> None:
    features = np.zeros((4, 3))
    values = np.array([0, 1, 1, 1])
    found = neighbours.answer(_training(features, values, 2, np.zeros(4, np.int64)), features)
    assert np.isfinite(found.predicted).all()
    np.testing.assert_allclose(found.predicted.sum(axis=1), 1)
