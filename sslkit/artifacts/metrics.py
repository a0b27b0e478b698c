"""Rows that a run writes while it goes, one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslkit.errors import DataError


def rows(path: Path, holding: str = "") -> Iterator[dict[str, Any]]:
    """The rows of a run's metrics; none where there is no file.

    A line that was being written when the run was killed is the last one and left out.

    Args:
        holding: of these only rows with this text.

    Raises:
        DataError: another line is damaged.
    """
    if not path.is_file():
        return
    wanted = holding.encode()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if wanted not in line:
                continue
            row = _parsed(line)
            if row is not None:
                yield row
            elif line.endswith(b"\n"):
                raise DataError(
                    "the metrics of a run are damaged",
                    where=f"{path}, line {number}",
                    why="it is no row of numbers with a step",
                    do="mend the line from a copy; without the file an unfinished run goes on "
                    "too, and writes the metrics of the steps that are left",
                )


def whole_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log of clock and speed; lines that a kill cut off are passed over."""
    if path.is_file():
        with path.open("rb") as lines:
            for line in lines:
                row = _parsed(line, numbers=False)
                if row is not None:
                    yield row


def _parsed(line: bytes, *, numbers: bool = True) -> dict[str, Any] | None:
    """A row with a step; None where the line is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int or row["step"] < 0:
        return None
    if numbers and not all(isinstance(value, int | float) for value in row.values()):
        return None
    return row
