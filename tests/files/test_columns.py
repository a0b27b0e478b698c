"""Where things are in a table: guessed or named, and all that is missing told at once."""

from pathlib import Path

import pytest

from sslkit.errors import DataError
from sslkit.files import columns
from sslkit.files.columns import Columns

PATH = Path("t.csv")


def test_all_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        columns.layout(PATH, ["a", "b"], Columns(id="key", needs_label=True))
    told = str(caught.value)
    assert caught.value.why == "its columns are a, b"
    for option in ("--sequence-column", "--label-column", "--id-column"):
        assert option in told


def test_a_column_that_is_named_is_not_guessed_to_be_another() -> None:
    at = columns.layout(PATH, ["name", "text", "sequence"], Columns("text", label="name"))
    assert (at.sequence, at.label, at.id) == (1, 0, None)


def test_lists_are_no_text_and_named_so() -> None:
    for wanted in (Columns(), Columns("sequence")):
        with pytest.raises(DataError, match="sequence holds list<string>"):
            columns.layout(PATH, ["id"], wanted, {"sequence": "list<string>"})
