"""Metrics of tables of confusion, many at once: what is true before what was said of it.

All functions take counts [tables, classes, classes] and return one value per table, float64; NaN
where a metric is not defined. Definitions agree with scikit-learn's.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.types import Array

Floats: TypeAlias = npt.NDArray[np.float64]


def of_records(truth: Sequence[Array], said: Sequence[Array], classes: int) -> Floats:
    """A table for each record, [records, classes, classes].

    Args:
        truth: class numbers of the units of each record, -1 where nothing is known; such a unit is
            in no table.
        said: class numbers, as many.
    """
    found = np.zeros((len(truth), classes, classes))
    for table, true, answer in zip(found, truth, said, strict=True):
        known = true >= 0
        pairs = true[known].astype(np.int64) * classes + answer[known]
        table[:] = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    return found


def accuracy(tables: Floats) -> Floats:
    """Share of what was said that is true."""
    return ratio(np.trace(tables, axis1=1, axis2=2), tables.sum(axis=(1, 2)))


def macro_f1(tables: Floats) -> Floats:
    """Mean F1 over the classes that are true or said at least once."""
    each = f1_by_class(tables)
    return ratio(np.nan_to_num(each).sum(axis=1), np.isfinite(each).sum(axis=1))


def mcc(tables: Floats) -> Floats:
    """Matthews correlation (Gorodkin 2004 for many classes); 0 where all that is said is one."""
    total, hit = tables.sum(axis=(1, 2)), np.trace(tables, axis1=1, axis2=2)
    true, said = tables.sum(axis=2), tables.sum(axis=1)
    covariance = hit * total - (true * said).sum(axis=1)
    spread = (total**2 - (said**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1))
    return np.nan_to_num(ratio(covariance, np.sqrt(spread)))


METRICS: dict[str, Callable[[Floats], Floats]] = {
    metric.__name__: metric for metric in (accuracy, macro_f1, mcc)
}


def f1_by_class(tables: Floats) -> Floats:
    """F1 of each class, [tables, classes]; NaN for one that is neither true nor said."""
    hit = np.diagonal(tables, axis1=1, axis2=2)
    return ratio(2 * hit, tables.sum(axis=1) + tables.sum(axis=2))


def ratio(above: Array, below: Array) -> Floats:
    """One by the other, NaN where the other is 0."""
    out: Floats = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) != 0)
    return out
