"""Rows of a run: a last line that was cut off is left out, other damage is refused by name."""

from pathlib import Path

import pytest

from sslkit.artifacts import metrics
from sslkit.errors import DataError

WHOLE = b'{"step": 1, "loss": 2.5}\n{"step": 2, "loss": NaN}\n'


def test_rows_come_in_order(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert list(metrics.rows(path)) == []
    path.write_bytes(WHOLE)
    assert [row["step"] for row in metrics.rows(path)] == [1, 2]
    assert [row["step"] for row in metrics.rows(path, "2.5")] == [1]


@pytest.mark.parametrize("end", [b'{"step": 3, "lo', b"\0\0\0", b"\xff", b"3"])
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(WHOLE + end)
    assert [row["step"] for row in metrics.rows(path)] == [1, 2]


@pytest.mark.parametrize(
    "line",
    [b'{"step": 3, "lo', b"[]", b"3", b"{}", b'{"step": -1}', b'{"step": "a"}', b"\xff",
     b'{"step": 3, "loss": "low"}', b"[" * 100_000],
)  # fmt: skip
def test_another_damaged_line_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(WHOLE + line + b"\n" + WHOLE)
    with pytest.raises(DataError) as caught:
        list(metrics.rows(path))
    assert caught.value.where == f"{path}, line 3"


def test_a_log_of_speed_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"time": "x", "step": 1}\n{"ti{"time": "y", "step": 2}\n{"step": 3}\n')
    assert [row["step"] for row in metrics.whole_rows(path)] == [1, 3]
