"""Which column of some tables the ids stand in, where nobody said it: one whose cells differ."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from sslkit.errors import EmptyFileError
from sslkit.files import table
from sslkit.files.columns import ID_NAMES, Columns

#: Rows whose ids are compared; behind them the choice stands.
_MOST_ROWS = 1 << 20
#: Characters of the longest row.
_LONGEST = 2**30


def settle(paths: Sequence[Path], wanted: Columns) -> tuple[Columns, str]:
    """The columns with names for ids that tell all rows of all tables apart, or with none.

    The first of the usual names is taken where its cells differ and none is empty; else the first
    other one that all tables have; else rows are numbered. All stages ask here, so that they agree.

    Args:
        paths: of tables. What can be read only once, as a pipe, is not looked at.

    Returns:
        the columns, and what a user should know of the choice, "" where it is the usual one.

    Raises:
        DataError: a table that cannot be read, or that lacks a column.
    """
    seen = [path for path in paths if path.is_file()]
    if wanted.id is not None or not wanted.id_names or not seen:
        return wanted, ""
    problem = _problem(seen, wanted)
    if not problem:
        return wanted, ""
    headers = [{name.lower() for name in table.header(path)} for path in seen]
    shared = set.intersection(*headers)
    for name in ID_NAMES:
        other = replace(wanted, id_names=(name,))
        if name in shared and not _problem(seen, other):
            return other, f"{problem}, so ids are those of column {name!r}; --id-column names one"
    numbered = replace(wanted, id_names=())
    return numbered, f"{problem}, so records are numbered; --id-column names a column of ids"


def prefix(path: Path, paths: Sequence[Path], name: str | None) -> str:
    """What stands before the ids of a table: its own name where several number their rows.

    Args:
        paths: all tables that are read.
        name: of the column of ids, if any.
    """
    return f"{path.name}:" if name is None and len(paths) > 1 else ""


def _problem(paths: Sequence[Path], wanted: Columns) -> str:
    """Why a guessed column of ids cannot be one; "" where it can, or where there is none."""
    seen: set[int] = set()
    for path in paths:
        name = table.columns(path, wanted).id
        if name is None:
            continue
        called = f"column {name!r} of {path}" if name else f"the names of rows of {path}"
        # Whether a table without a row stops the run is not settled here.
        with suppress(EmptyFileError):
            for row in islice(table.read_sparingly(path, wanted, _LONGEST), _MOST_ROWS):
                if row.error:
                    continue
                if not row.values[name].strip():
                    return f"{called} has no id in row {row.number}"
                if (key := hash(row.id)) in seen:
                    return f"{called} has {row.id!r} more than once"
                seen.add(key)
    return ""
