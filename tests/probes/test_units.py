"""Logistic regression of many units: against the one of records, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from sslkit.errors import DataError
from sslkit.probes import units
from sslkit.probes.linear import _LogisticPath
from sslkit.types import Array


def made(count: int, width: int = 5, seed: int = 0) -> tuple[units.Features, Array]:
    """Three classes; columns 0 and 1 tell them apart, column 2 is constant."""
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 3, count)
    features = draw.normal(0, 3, (count, width)) + 7
    features[:, 0] += 4 * (values == 1)
    features[:, 1] -= 5 * (values == 2)
    features[:, 2] = 1 / 3
    return features.astype(np.float32), values


def test_the_fit_is_that_of_records() -> None:
    features, values = made(600)
    others, _ = made(200, seed=1)
    slow = _LogisticPath(features.astype(np.float64), values, 3)
    found = units.fit(features.copy(), values, 600)
    wanted = slow.predict(others.astype(np.float64), found.penalty)
    assert (found.decide(others) == wanted.argmax(axis=1)).mean() > 0.99


def test_the_penalty_is_chosen_by_what_is_held_out() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(200, 120)).astype(np.float32)
    values = (features[:, 0] + draw.normal(0, 2, 200) > 0).astype(np.int64)
    noisy = units.fit(features.copy(), values, 150).penalty
    clear, true = made(5000)
    assert units.fit(clear, true, 4000).penalty < noisy
    assert noisy >= 0.1


def test_a_class_may_be_held_out_altogether_or_never_be_seen() -> None:
    features, values = made(300)
    order = np.argsort(values, kind="stable")
    found = units.fit(features[order].copy(), values[order], int((values < 2).sum()))
    assert set(found.decide(features).tolist()) == {0, 1, 2}
    few = values != 1
    found = units.fit(features[few].copy(), values[few], 150)
    assert set(found.decide(features).tolist()) == {0, 2}
    # One class only is left to choose by: nothing is chosen.
    found = units.fit(features[order].copy(), values[order], int((values < 1).sum()))
    assert found.penalty == units._DEFAULT


def test_what_is_not_finite_is_refused() -> None:
    features, values = made(100)
    fitted = units.fit(features.copy(), values, 80)
    features[50, 1] = np.nan
    for use in (lambda: units.fit(features, values, 80), lambda: fitted.decide(features)):
        with pytest.raises(DataError, match="not finite"):
            use()


def test_features_stand_in_memory_once() -> None:
    features, values = made(40_000, 64)
    tracemalloc.start()
    units.fit(features, values, 32_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.9 * features.nbytes
