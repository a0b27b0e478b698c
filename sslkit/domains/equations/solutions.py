"""Solutions in files: those that others computed, and values that were measured."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.errors import DataError
from sslkit.files import mat, source, table
from sslkit.files.columns import Columns
from sslkit.types import Reference

_COLUMNS = ("x", "t", "u")
_MORE = "a vector x, a vector t, and values on their grid"


def reference(path: Path, low: Sequence[float], high: Sequence[float]) -> Reference:
    """The grid of a MAT-file: two vectors, x and t by what they are called, and one matrix.

    Raises:
        DataError: it cannot be read, holds something else, or places outside the space.
    """
    with source.reading(path):
        try:
            arrays = mat.read(path)
        except ValueError as error:
            raise DataError(
                "a reference cannot be read",
                where=str(path),
                why=str(error),
                do=f"give a MAT-file (version 5 to 7) with {_MORE}",
            ) from error
    vectors = {n: a.ravel() for n, a in arrays.items() if a.size == max(a.shape, default=0)}
    axes = [[a for n, a in vectors.items() if n.lower().startswith(axis)] for axis in "xt"]
    grids = [a for n, a in arrays.items() if n not in vectors and a.ndim == 2]
    if [len(found) for found in (*axes, grids)] != [1, 1, 1]:
        raise DataError(
            "a reference holds something else",
            where=str(path),
            why=", ".join(f"{n} {list(a.shape)}" for n, a in arrays.items()) or "nothing",
            do=f"give one with {_MORE}",
        )
    (x,), (t,) = axes
    (values,) = grids
    if values.shape == (len(t), len(x)) != (len(x), len(t)):
        values = values.T
    if values.shape != (len(x), len(t)) or not all(
        a.size and np.isrealobj(a) and np.isfinite(a).all() for a in (x, t, values)
    ):
        raise DataError(
            "the values of a reference do not lie on its grid",
            where=str(path),
            why=f"x has {len(x)}, t has {len(t)}, the values are {list(values.shape)}, "
            "or some are no real numbers, or there are none",
        )
    found = Reference(str(path), *(np.asarray(a, np.float64) for a in (x, t, values)))
    _inside(found.points, low, high, str(path))
    return found


def observations(
    path: Path, low: Sequence[float], high: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Measured values: x, t and u, [K, 3], of a table with columns of these names.

    Raises:
        DataError: a column is missing, a cell is no number, or a point lies outside the space.
    """
    there = table.header(path)
    if missing := [name for name in _COLUMNS if name not in there]:
        raise DataError(
            f"observations lack {', '.join(missing)}",
            where=str(path),
            why=f"its columns are {', '.join(there)}",
            do=f"name its columns {', '.join(_COLUMNS)}",
        )
    rows = list(table.read(path, Columns(_COLUMNS[-1], id=_COLUMNS[0])))
    found = np.empty((len(rows), len(_COLUMNS)))
    for place, row in enumerate(rows):
        for column, name in enumerate(_COLUMNS):
            found[place, column] = _number(row.values[name])
            if not np.isfinite(found[place, column]):
                raise DataError(
                    f"column {name} holds {row.values[name]!r}, which is no number",
                    where=f"{path}, row {row.number}",
                    do="mend it, or leave the row out",
                )
    _inside(found[:, :2], low, high, str(path))
    return found


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _inside(
    points: npt.NDArray[np.float64], low: Sequence[float], high: Sequence[float], where: str
) -> None:
    outside = ((points < np.array(low)) | (points > np.array(high))).any(1)
    if outside.any():
        x, t = points[outside][0]
        raise DataError(
            f"{outside.sum()} points lie outside the space of the equation",
            where=where,
            why=f"such as x {x:g}, t {t:g}; x is from {low[0]:g} to {high[0]:g} and t from "
            f"{low[1]:g} to {high[1]:g}",
        )
