"""Metrics of tables of confusion agree with scikit-learn's of the units themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from sslkit.probes import confusion

pairs = st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 2)), min_size=1)


@given(st.lists(pairs, min_size=1, max_size=4))
def test_all_known_units_count_alike(records: list[list[tuple[int, int]]]) -> None:
    truth = [np.array([true for true, _ in one]) for one in records]
    said = [np.array([answer for _, answer in one]) for one in records]
    tables = confusion.of_records(truth, said, 3)
    assert tables.shape == (len(records), 3, 3)
    known = [(true, answer) for one in records for true, answer in one if true >= 0]
    whole = tables.sum(axis=0)[None]
    assert whole.sum() == len(known)
    if not known:
        assert np.isnan(confusion.accuracy(whole)).all()
        return
    true, answer = zip(*known, strict=True)
    assert confusion.accuracy(whole)[0] == pytest.approx(accuracy_score(true, answer))
    held = sorted({*true, *answer})
    wanted = f1_score(true, answer, labels=held, average="macro", zero_division=0.0)
    assert confusion.macro_f1(whole)[0] == pytest.approx(wanted)
    assert confusion.mcc(whole)[0] == pytest.approx(matthews_corrcoef(true, answer))


def test_a_class_that_is_neither_true_nor_said_has_no_f1() -> None:
    table = np.array([[[4.0, 0, 1], [0, 0, 0], [1, 0, 4]]])
    assert np.isnan(confusion.f1_by_class(table)[0, 1])
    assert confusion.f1_by_class(table)[0, [0, 2]] == pytest.approx([0.8, 0.8])
