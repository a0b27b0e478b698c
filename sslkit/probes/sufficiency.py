"""Whether labelled records are enough: something to learn from, and something to judge on."""

from collections.abc import Sequence

import numpy as np

from sslkit.data.examples import Examples
from sslkit.errors import DataError
from sslkit.probes import metrics
from sslkit.types import Array, Targets


def check(
    examples: Examples[Targets],
    trained: Sequence[Array],
    tested: Array,
    names: Sequence[str],
    do: str,
) -> None:
    """Refuse records of which nothing can be learned, or on which nothing can be judged.

    Args:
        trained: rows that are learned from, of every round.
        tested: rows that are predicted.
        names: of the metrics.
        do: what helps, besides more records.

    Raises:
        DataError: saying what there is and what it takes.
    """
    values, classes = examples.targets.values, examples.targets.classes
    where = ", ".join(map(str, examples.labelled.files))
    kinds = "classes" if classes else "different numbers"
    for rows in trained:
        if len(np.unique(values[rows])) < 2:
            raise DataError(
                f"the training part has {_counted(examples, rows)}",
                where=where,
                why=f"with fewer than two {kinds} there is nothing to learn",
                do=f"add records, or {do}",
            )
    truth = values[tested]
    # A metric that is not defined for predictions that are all right is not for any others.
    right = np.eye(len(classes))[truth] if classes else truth
    found = metrics.compute(names, truth, right) if len(truth) else {}
    undefined = [name for name in names if name not in found or not np.isfinite(found[name][0])]
    if undefined:
        raise DataError(
            f"the test part has {_counted(examples, tested)}",
            where=where,
            why=f"{', '.join(undefined)} takes at least two {kinds} there, and the training part "
            f"at least two; {len(examples)} records are divided",
            do=f"add records, or {do}",
        )


def _counted(examples: Examples[Targets], rows: Array) -> str:
    """How many records there are of each class, or of how many numbers."""
    values, classes = examples.targets.values[rows], examples.targets.classes
    records = f"{len(rows)} record" + ("" if len(rows) == 1 else "s")
    if not classes:
        return f"{records} of {len(np.unique(values))} different numbers"
    counts = np.bincount(values.astype(np.int64), minlength=len(classes))
    listed = [f"{name}: {count}" for name, count in zip(classes, counts, strict=True)]
    return f"{records} ({', '.join(listed[:8])}{', ...' if len(listed) > 8 else ''})"
