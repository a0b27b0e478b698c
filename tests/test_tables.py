"""Tables for a person."""

import pytest

from sslkit import tables


def test_rows_stand_in_columns_and_are_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show("Scores", ["model", "AUC"], [["majority", "0.500"], ["probe [0]", "0.91"]])
    title, _, header, rule, first, second, *_ = capsys.readouterr().out.splitlines() + [""] * 2
    text = "\n".join([title, header, first, second, rule])
    for part in ("Scores", "majority", "0.500", "probe [0]", "0.91"):
        assert part in text
