"""Labels of each unit: read, checked, turned into numbers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError, UsageError
from sslkit.tasks.tagging import Settings, Task
from sslkit.types import Labelled, Record


def labelled(*labels: str) -> Labelled:
    records = tuple(Record(str(n), "", "a.csv", n + 1) for n in range(len(labels)))
    return Labelled(records, labels, None, (Path("a.csv"),))


def test_letters_are_classes_and_a_question_mark_is_none() -> None:
    found = Task(Settings()).encode_labels(labelled("HE?", "?", "CCH"))
    assert found.classes == ("C", "E", "H")
    assert [one.tolist() for one in found.values] == [[2, 1, -1], [-1], [0, 0, 2]]


def test_names_stand_with_a_separator_between() -> None:
    task = Task(Settings(separator=","))
    found = task.encode_labels(labelled("noun, verb,?", "verb,,noun"))
    assert found.classes == ("noun", "verb")
    assert [one.tolist() for one in found.values] == [[0, 1, -1], [1, -1, 0]]
    assert task.written(["noun", "", "verb"]) == "noun,?,verb"
    assert task.problem("noun,verb", 3) == "its label has 2 names, and its sequence 3 units"
    assert task.problem("noun,verb", 2) == ""


def test_names_may_stand_with_blanks_between() -> None:
    task = Task(Settings(separator="blank"))
    found = task.encode_labels(labelled("noun  verb ?"))
    assert found.values[0].tolist() == [0, 1, -1]
    assert task.written(["noun", "", "verb"]) == "noun ? verb"
    assert task.problem("noun verb ?", 3) == ""


def test_a_label_has_the_length_of_its_sequence() -> None:
    task = Task(Settings())
    assert task.problem("HEC", 4) == "its label has 3 letters, and its sequence 4 units"
    assert task.problem("HE\nC ", 3) == ""


def test_nothing_to_tell_apart_is_refused() -> None:
    with pytest.raises(DataError, match="all known labels of 2 records are 'H'"):
        Task(Settings()).encode_labels(labelled("HH?", "H"))
    with pytest.raises(DataError, match="no label of 1 records is known") as told:
        Task(Settings()).encode_labels(labelled("??"))
    assert told.value.where == "a.csv"
    numbers = ",".join(map(str, range(1001)))
    with pytest.raises(DataError, match="there are 1,001 different labels"):
        Task(Settings(separator=",")).encode_labels(labelled(numbers))


@pytest.mark.parametrize(
    "wrong", [{"unknown": ""}, {"separator": ""}, {"separator": "?"}, {"around": 4}, {"most": 0}]
)
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"unknown|separator|around|most"):
        Settings(**wrong)


@given(st.lists(st.text("abc?", min_size=1), min_size=1))
def test_numbers_say_what_the_letters_said(labels: list[str]) -> None:
    task = Task(Settings())
    if len(set("".join(labels)) - {"?"}) < 2:
        return
    found = task.encode_labels(labelled(*labels))
    names = np.array(["", *found.classes], object)
    assert [task.written(names[one + 1].tolist()) for one in found.values] == labels


def test_a_table_has_columns_and_fasta_has_files(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("sequence,label,id,split\nMKV,HEC,a,train\nMK,??,b,test\n")
    found = Task(Settings()).read({"": [table]}, "stop")
    assert (found.ids, found.labels, found.parts) == (("a", "b"), ("HEC", "??"), ("train", "test"))
    fasta = tmp_path / "l.fasta"
    fasta.write_text(">a\nHEC\n")
    (tmp_path / "s.fasta").write_text(">a\nMKV\n")
    both = str(tmp_path / "s.fasta")
    (record,) = Task(Settings(sequences=both)).read({"": [fasta]}, "stop").records
    assert record.payload == "MKV"
    with pytest.raises(UsageError, match="holds labels, and no sequences"):
        Task(Settings()).read({"": [fasta]}, "stop")
    with pytest.raises(UsageError, match=r"is FASTA and .* is none"):
        Task(Settings(sequences=both)).read({"": [fasta], "test": [table]}, "stop")
    with pytest.raises(UsageError, match="--set sequences is for labels in FASTA"):
        Task(Settings(sequences=both)).read({"": [table]}, "stop")
    with pytest.raises(UsageError, match="labels in FASTA are letters"):
        Task(Settings(sequences=both, separator=",")).read({"": [fasta]}, "stop")
