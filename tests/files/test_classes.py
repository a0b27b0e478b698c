"""Which spellings of labels are one class."""

import pytest

from sslkit.files import classes


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["0", "1", "0.0", "1.00"], ["0", "1", "0", "1"]),
        (["1.0", "0.0"], ["1.0", "0.0"]),
        (["true", "True", "FALSE"], ["True", "True", "FALSE"]),
        (["1", "true", "0", "False"], ["1", "1", "0", "0"]),
        (["2", "true"], ["2", "true"]),
        (["1.1", "1.10", "1", "1.0"], ["1.1", "1.10", "1", "1.0"]),
        (["01", "1"], ["01", "1"]),
        (["Na", "NA", "1", "1.0"], ["Na", "NA", "1", "1.0"]),
    ],
)
def test_equal_numbers_and_truth_values_are_one_class(labels: list[str], names: list[str]) -> None:
    found = classes.spellings(labels)
    assert [found[label] for label in labels] == names


def test_marks_of_missing_labels_are_exact() -> None:
    marks = classes.missing(",".join(classes.MISSING))
    assert {"", "NA", "NaN", "nan", "None", "<NA>"} <= marks
    assert not marks & {"Na", "na", "none", "Null", "Nan"}
    assert classes.missing("") == {""}


def test_names_that_differ_in_case_only() -> None:
    assert classes.alike(["K", "Na", "NA", "k"]) == [("Na", "NA"), ("K", "k")]
