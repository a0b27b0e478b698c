"""Records that programs give: ids, texts and what is refused."""

from typing import Any

import pandas as pd
import pytest

from sslkit.data import given
from sslkit.domains import genome
from sslkit.errors import DataError, SslkitError, UsageError
from sslkit.types import Record

DOMAIN = genome.Domain(genome.Settings(k=3))
FRAME = pd.DataFrame({"score": [1.0, 2.0], "sequence": ["ACGT", "GGCC"], "id": ["a", "b"]})


@pytest.mark.parametrize(
    ("records", "ids"),
    [
        (["ACGT", "GGCC"], ["1", "2"]),
        (iter(["ACGT", "GGCC"]), ["1", "2"]),
        ([("a", "ACGT"), ("b", "GGCC")], ["a", "b"]),
        ({"a": "ACGT", "b": "GGCC"}, ["a", "b"]),
        (FRAME, ["a", "b"]),
        (FRAME.drop(columns="id"), ["1", "2"]),
        (pd.Series(["ACGT", "GGCC"]), ["0", "1"]),
        (pd.Series(["ACGT", "GGCC"], index=["x", "y"]), ["x", "y"]),
        ([Record("r", b"ACGT", "f", 1), ("b", "GGCC")], ["r", "b"]),
    ],
)
def test_what_records_can_be(records: Any, ids: list[str]) -> None:
    read = given.records(DOMAIN, records)
    assert [record.id for record in read] == ids
    units = [DOMAIN.encode(record).tolist() for record in read]
    named = [DOMAIN.record("n", text, "f", 1) for text in ("ACGT", "GGCC")]
    assert units == [DOMAIN.encode(record).tolist() for record in named]


@pytest.mark.parametrize(
    ("records", "error", "code"),
    [
        ("ACGT", UsageError, 2),
        (None, UsageError, 2),
        ([], UsageError, 2),
        ([3], UsageError, 2),
        ([("a", "b", "c")], UsageError, 2),
        (["ACGT", "MKVL"], DataError, 3),
        ({"a": "ACGT", "b": None}, DataError, 3),
        (FRAME.assign(sequence=["ACGT", float("nan")]), DataError, 3),
        (pd.DataFrame({"other": ["1"]}), DataError, 3),
    ],
)
def test_what_is_refused(records: Any, error: type[SslkitError], code: int) -> None:
    with pytest.raises(error) as caught:
        given.records(DOMAIN, records)
    assert caught.value.exit_code == code


def test_a_bad_record_is_named() -> None:
    with pytest.raises(DataError) as caught:
        given.records(DOMAIN, [("good", "ACGT"), ("bad", "MKVL")])
    assert caught.value.where == "the records given, record 2 (bad)"
