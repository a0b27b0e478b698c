"""The states of residues: eight as three."""

from pathlib import Path

import pytest

from sslkit.tasks.secondary_structure import Settings, Task
from sslkit.types import Labelled, Record


def labelled(label: str) -> Labelled:
    return Labelled((Record("a", "", "a.csv", 1),), (label,), None, (Path("a.csv"),))


def test_eight_states_are_three() -> None:
    found = Task(Settings()).encode_labels(labelled("HGIPhEBebCLTS-_.~c?X"))
    assert found.classes == ("C", "E", "H")
    said = "".join([*found.classes, "?"][value] for value in found.values[0])
    assert said == "HHHHHEEEECCCCCCCCC??"


def test_or_they_stay_what_they_are() -> None:
    found = Task(Settings(states=8)).encode_labels(labelled("HGIPEBTSL-C?"))
    assert found.classes == tuple("BCEGHIPST")
    assert found.values[0].tolist() == [4, 3, 5, 6, 2, 0, 8, 7, 1, 1, 1, -1]


def test_what_is_unknown_can_be_said() -> None:
    task = Task(Settings(unknown="-"))
    assert task.encode_labels(labelled("HE-")).values[0].tolist() == [1, 0, -1]
    assert task.problem("HX", 2) == "its label has 'X' at place 2, which is none of this task"


def test_other_letters_and_other_numbers_of_states_are_refused() -> None:
    assert Task(Settings()).problem("HEQ", 3).startswith("its label has 'Q' at place 3")
    assert Task(Settings()).problem("HEC?", 4) == ""
    with pytest.raises(ValueError, match="states is 3 or 8, not 4"):
        Settings(states=4)
