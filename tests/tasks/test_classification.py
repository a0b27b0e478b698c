"""Classes: ordered by name or number, refused where there is nothing to tell apart."""

import pytest

from sslkit.errors import DataError
from sslkit.tasks.classification import Settings, Task
from sslkit.types import Labelled, Record


def _labelled(*labels: str) -> Labelled:
    records = tuple(Record(str(n), "", "a.csv", n) for n in range(len(labels)))
    return Labelled(records, labels, None, ())


def test_classes_stand_in_order_of_name_and_numbers_in_order_of_value() -> None:
    found = Task(Settings()).encode_labels(_labelled("b", "a", "c", "a"))
    assert found.classes == ("a", "b", "c")
    assert list(found.values) == [1, 0, 2, 0]
    assert Task(Settings()).encode_labels(_labelled("10", "9", "10")).classes == ("9", "10")


@pytest.mark.parametrize("labels", [("a", "a"), ("a", "b", "c")])
def test_one_class_or_one_each_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(DataError):
        Task(Settings()).encode_labels(_labelled(*labels))
