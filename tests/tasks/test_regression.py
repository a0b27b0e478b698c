"""Targets that are numbers; a label that is not one is named by file and row."""

from pathlib import Path

import pytest

from sslkit.errors import DataError
from sslkit.tasks.regression import Settings, Task
from sslkit.types import Labelled, Record


def _labelled(*labels: str) -> Labelled:
    records = tuple(Record(str(n), "", "a.csv", n + 1) for n in range(len(labels)))
    return Labelled(records, labels, None, (Path("a.csv"),))


def test_labels_become_numbers() -> None:
    found = Task(Settings()).encode_labels(_labelled("1.5", "-2e3", "7"))
    assert list(found.values) == [1.5, -2000.0, 7.0]
    assert found.classes == ()


@pytest.mark.parametrize("label", ["high", "inf", "1,5"])
def test_what_is_not_a_finite_number_is_refused(label: str) -> None:
    with pytest.raises(DataError, match="is not a number") as error:
        Task(Settings()).encode_labels(_labelled("1", label))
    assert error.value.where == "a.csv, row 2 (1)"


def test_a_constant_target_is_refused() -> None:
    with pytest.raises(DataError, match="all 2 records"):
        Task(Settings()).encode_labels(_labelled("1", "1.0"))
