"""Pairs of texts that say the same: lines of two columns with a tab between."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.domains.language.documents import BETWEEN, Stream
from sslkit.domains.language.encoders import Units
from sslkit.errors import OnError
from sslkit.files import longest, sequences, source
from sslkit.types import Record

_NOTHING = np.empty(0, np.uint32)
#: Lines that are split at once, and bytes of them.
_LINES, _BYTES = 4096, 1 << 22


def read(path: Path, stream: Callable[[], Stream], on_error: OnError) -> Iterator[Record]:
    """A record for each line that is not blank, with its number as id.

    Args:
        stream: a new one, where a line is a document.

    Raises:
        DataError: no line at all; a line that is no pair, with ``stop``.
    """
    number = 0
    with source.open_bytes(path) as held:
        for lines in _batches(source.lines(held)):
            for record in _records(lines, number, str(path), stream()):
                if record.error and on_error == "stop":
                    raise sequences.bad_record(record)
                yield record
            number += len(lines)
    if not number:
        raise source.empty(path)


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Lines in lists of some thousands, or of some megabytes."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == _LINES or size > _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _records(lines: list[bytes], before: int, path: str, stream: Stream) -> Iterator[Record]:
    cells = [[] if longest.is_exceeded(len(line)) else line.split(b"\t") for line in lines]
    problems = [_problem(pair) for pair in cells]
    good = [pair for pair, problem in zip(cells, problems, strict=True) if not problem]
    units, ends = stream.lines(b"".join(cell + b"\n" for pair in good for cell in pair))
    # The last of them may or may not be counted: nothing stands behind it.
    sides = iter(np.split(units, ends[: 2 * len(good) - 1]) if good else ())
    for number, (line, problem) in enumerate(zip(lines, problems, strict=True), before + 1):
        if problem:
            if line.strip():
                yield Record(str(number), _NOTHING, path, number, error=problem)
            continue
        first, second = next(sides), next(sides)
        if len(first) and len(second):
            pair = np.concatenate([first, [BETWEEN], second])
            yield Record(str(number), pair, path, number)
        else:
            error = f"its {'second' if len(first) else 'first'} column holds no word"
            yield Record(str(number), _NOTHING, path, number, error=error)


def _problem(cells: list[bytes]) -> str:
    if not cells:
        return longest.problem()
    if len(cells) != 2:
        columns = "one column" if len(cells) == 1 else f"{len(cells)} columns"
        return f"it has {columns}, and a pair has two with a tab between"
    for name, cell in zip(("first", "second"), cells, strict=True):
        try:
            cell.decode()
        except UnicodeDecodeError as error:
            return f"its {name} column is no UTF-8: {error.reason} at byte {error.start + 1}"
        if b"\0" in cell:
            return f"its {name} column is no text: there is a byte 0"
    return ""


def sides(units: Units) -> tuple[Units, Units]:
    """What stands before and behind the mark; nothing behind where there is none."""
    at = np.flatnonzero(units == BETWEEN)
    first = int(at[0]) if len(at) else len(units)
    return units[:first], units[first + 1 :]


def parted(
    units: npt.NDArray[np.uint32], lengths: npt.NDArray[np.int64]
) -> tuple[tuple[Units, npt.NDArray[np.int64]], tuple[Units, npt.NDArray[np.int64]]]:
    """The sides of rows: units [rows, any], from the left and zero behind, and lengths [rows]."""
    column = np.arange(units.shape[1])
    between = (units == BETWEEN) & (column < lengths[:, None])
    middle = np.where(between.any(1), between.argmax(1), lengths)
    rest = np.maximum(lengths - middle - 1, 0)
    moved = np.minimum(column + middle[:, None] + 1, units.shape[1] - 1)
    second = np.take_along_axis(units, moved, 1)
    return (
        (np.where(column < middle[:, None], units, 0)[:, : middle.max(initial=1)], middle),
        (np.where(column < rest[:, None], second, 0)[:, : rest.max(initial=1)], rest),
    )
