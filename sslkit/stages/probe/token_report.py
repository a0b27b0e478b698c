"""The report of probes of units: what is kept of each, warnings, and the table of predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslkit.artifacts.tags import TagTable
from sslkit.console import Console
from sslkit.contracts.domain import PerTokenTask
from sslkit.data.token_labels import Drawn, Rows, Tagged
from sslkit.probes import confusion, intervals
from sslkit.probes.confusion import Floats
from sslkit.probes.intervals import finite
from sslkit.types import Array

_FEW_RECORDS, _FEW_OF_A_CLASS = 50, 100


@dataclass(frozen=True)
class Round:
    """Rows of records to train on and to predict, and the units that are fitted to."""

    train: Rows
    test: Rows
    drawn: Drawn


@dataclass(frozen=True)
class Exam:
    """What every model is asked.

    Attributes:
        rounds: once for a held-out part and once per fold; no record is predicted twice.
        metrics: names of ``probes.confusion``.
        how: records were divided, for people.
    """

    rounds: Sequence[Round]
    metrics: Sequence[str]
    seed: int
    how: str

    @property
    def rows(self) -> Rows:
        """The records that are predicted, ascending."""
        return np.sort(np.concatenate([one.test for one in self.rounds]))


@dataclass(frozen=True)
class Result:
    """What a model answered.

    Attributes:
        said: class numbers of all units of each predicted record, by its row, [units] each.
        chosen: what was chosen on training records in each round.
    """

    name: str
    said: Mapping[int, Array]
    chosen: tuple[Mapping[str, float], ...]


def results(task: str, held: Tagged, exam: Exam, found: Sequence[Result]) -> dict[str, Any]:
    """What a manifest keeps of all models, in plain types; NaN as None."""
    judged = _judged(held, exam)
    counted = {result.name: _tables(held, judged, result) for result in found}
    *baselines, last = found
    headline = exam.metrics[0]
    return {
        "title": _title(task, held, exam, len(judged)),
        "test_records": len(judged),
        "test_units": held.known(judged),
        "trained_units": [len(one.drawn) for one in exam.rounds],
        "trained_records": [len(one.drawn.units) for one in exam.rounds],
        "classes": list(held.tags.classes),
        "metrics": list(exam.metrics),
        "models": [_model(held, exam, result, counted[result.name]) for result in found],
        "differences": [
            {"metric": headline, "model": last.name, "baseline": other.name}
            | finite(
                intervals.difference_of_tables(
                    headline, counted[last.name], counted[other.name], exam.seed
                )
            )
            for other in baselines
        ],
    }


def _judged(held: Tagged, exam: Exam) -> list[int]:
    """Predicted records of which a unit is known: the others say nothing of any model."""
    return [row for row in exam.rows.tolist() if (held.tags.values[row] >= 0).any()]


def _tables(held: Tagged, judged: Sequence[int], result: Result) -> Floats:
    truth = [held.tags.values[row] for row in judged]
    said = [result.said[row] for row in judged]
    return confusion.of_records(truth, said, len(held.tags.classes))


def _model(held: Tagged, exam: Exam, result: Result, tables: Floats) -> dict[str, Any]:
    estimate = intervals.of_tables(exam.metrics, tables, exam.seed)
    total = tables.sum(axis=0)
    f1 = confusion.f1_by_class(total[None])[0]
    return {
        "name": result.name,
        "metrics": {name: finite(value) for name, value in estimate.metrics.items()},
        "f1": {
            name: float(value) if np.isfinite(value) else None
            for name, value in zip(held.tags.classes, f1, strict=True)
        },
        "confusion": total.astype(int).tolist(),
        "chosen": [dict(chosen) for chosen in result.chosen],
    }


def _title(task: str, held: Tagged, exam: Exam, records: int) -> str:
    fitted = [len(one.drawn) for one in exam.rounds]
    known = [held.known(one.train) for one in exam.rounds]
    return (
        f"{task}: {held.known(exam.rows):,} known units of {records:,} test records, "
        f"seed {exam.seed}\n"
        f"{exam.how}; fitted to {min(fitted):,} of {min(known):,} known units of training records\n"
        f"95% intervals: {intervals.RESAMPLES} bootstrap resamples of the test records"
    )


def warn(held: Tagged, exam: Exam, found: Sequence[Result], console: Console) -> None:
    """Tell of what makes numbers mean less than they seem to."""
    judged = _judged(held, exam)
    for result in found[1:]:
        if len({int(v) for row in judged for v in np.unique(result.said[row])}) == 1:
            console.warn(f"{result.name} says the same of all units of the test records")
    if len(judged) < _FEW_RECORDS:
        console.warn(
            f"there are only {len(judged)} test records: intervals are wide and themselves "
            "uncertain" + ("" if len(exam.rounds) > 1 else "; --folds 5 predicts every record")
        )
    for name, count in zip(held.tags.classes, held.counts(judged), strict=True):
        if count < _FEW_OF_A_CLASS:
            console.warn(f"class {name} has {count} units of test records only")


def table(task: PerTokenTask, held: Tagged, exam: Exam, found: Sequence[Result]) -> TagTable:
    """The labels of all predicted records, as they were read and as each model says them."""
    labelled, rows = held.examples.labelled, exam.rows.tolist()
    # -1, which stands for nothing, is the last of them.
    names = np.array([*held.tags.classes, ""], object)
    truth = [task.written(names[held.tags.values[row]].tolist()) for row in rows]
    return TagTable(
        models=[result.name for result in found for _ in rows],
        ids=[labelled.ids[row] for row in rows] * len(found),
        rows=labelled.rows[rows].tolist() * len(found),
        splits=["test"] * (len(rows) * len(found)),
        labels=truth * len(found),
        predictions=[
            task.written(names[result.said[row]].tolist()) for result in found for row in rows
        ],
    )
