"""Inner folds: duplicates together, and none where there are too few examples."""

import numpy as np
import pytest

from sslkit.probes.training import Training, loss


def test_inner_folds_keep_duplicates_together() -> None:
    groups = np.arange(60) // 3
    fold = Training(np.zeros((60, 1)), groups % 2, groups, 2, 1).inner_folds()
    assert fold is not None
    assert all(len(set(fold[groups == g])) == 1 for g in range(20))
    assert set(fold) == set(range(5))


def test_too_few_examples_give_no_folds() -> None:
    groups = np.array([0, 1, 2, 3, 3])
    assert Training(np.zeros((5, 1)), np.array([0, 0, 0, 1, 1]), groups, 2, 1).inner_folds() is None


def test_losses() -> None:
    predicted = np.array([[0.5, 0.5], [0.2, 0.8]])
    assert loss(np.array([0, 1]), predicted) == pytest.approx(-np.log([0.5, 0.8]).mean())
    assert loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])) == 2
