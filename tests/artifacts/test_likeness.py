"""The mean correlation of all pairs of vectors."""

import numpy as np
import pytest

from sslkit.artifacts import embeddings, likeness


@pytest.mark.parametrize("common", [0.0, 1.0, 100.0])
def test_it_is_that_of_all_pairs(common: float) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(40, 6)) * rng.uniform(1e-20, 1e20, (40, 1))
    vectors += common * np.abs(vectors).max(axis=1, keepdims=True) * rng.normal(size=6)
    pairs = np.corrcoef(vectors)[np.triu_indices(40, 1)]
    assert likeness.of(vectors) == pytest.approx(pairs.mean(), abs=1e-9)
    assert (likeness.of(vectors) > likeness.COLLAPSED) == (common == 100)


def test_what_has_no_pairs_has_no_correlation() -> None:
    one = np.array([[1.0, 2.0, 4.0]])
    assert likeness.of(one) is None
    assert likeness.of(np.empty((0, 3))) is None
    assert likeness.of(np.ones((5, 1))) is None
    assert likeness.of(np.concatenate([one, np.full((1, 3), np.nan)])) is None
    assert likeness.of(np.zeros((5, 3))) == 1
    assert likeness.of(np.concatenate([one, 7 * one + 3])) == pytest.approx(1)


def test_a_table_in_any_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(2).normal(size=(30, 4)) + np.arange(4)
    monkeypatch.setattr(likeness, "ROWS", 8)
    columns = embeddings.schema(4, labels=False, spans=False)
    blocks = [
        embeddings.Block(str(n), n, 3, False, None if n % 7 == 3 else row[None].astype(np.float32))
        for n, row in enumerate(vectors)
    ]
    found = {
        embeddings.mean_correlation(
            embeddings.table(blocks[at : at + size], columns) for at in range(0, 30, size)
        )
        for size in (1, 7, 30)
    }
    assert len(found) == 1
    kept = vectors[[n % 7 != 3 for n in range(30)]].astype(np.float32)
    assert found.pop() == pytest.approx(likeness.of(kept), abs=1e-12)
