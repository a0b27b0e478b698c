"""The positive class: recognised where it is obvious, asked for where it is not."""

from pathlib import Path

import pytest

from sslkit.errors import DataError, UsageError
from sslkit.tasks.promoter import Settings, Task
from sslkit.types import Labelled, Record


def _labelled(*labels: str) -> Labelled:
    records = tuple(Record(str(n), "", "a.csv", n + 1) for n in range(len(labels)))
    return Labelled(records, labels, None, (Path("a.csv"),))


@pytest.mark.parametrize(
    ("negative", "positive"),
    [
        ("0", "1"),
        ("0.0", "1.0"),
        ("-1", "1"),
        ("False", "True"),
        ("non-promoter", "promoter"),
        ("control", "TATA"),
        ("-", "+"),
    ],
)
def test_the_positive_class_is_recognised_in_any_order(negative: str, positive: str) -> None:
    for labels in ((negative, positive), (positive, negative)):
        found = Task(Settings()).encode_labels(_labelled(*labels))
        assert found.classes == (negative, positive)
        assert [found.classes[v] for v in found.values] == list(labels)


def test_two_equal_looking_labels_need_a_name() -> None:
    with pytest.raises(UsageError, match="positive"):
        Task(Settings()).encode_labels(_labelled("strong", "weak"))
    found = Task(Settings(positive="weak")).encode_labels(_labelled("strong", "weak"))
    assert list(found.values) == [0, 1]
    with pytest.raises(UsageError, match="'medium'"):
        Task(Settings(positive="medium")).encode_labels(_labelled("strong", "weak"))


def test_one_class_and_three_classes_are_refused() -> None:
    with pytest.raises(DataError, match="all 3 records have the label '1'") as error:
        Task(Settings()).encode_labels(_labelled("1", "1", "1"))
    assert error.value.where == "a.csv"
    with pytest.raises(DataError, match="3 labels") as error:
        Task(Settings()).encode_labels(_labelled("1", "0", "0", "2"))
    assert error.value.where == "a.csv, row 4 (3)"
