"""What a fine-tuned model is worth on the test part: scores, table of predictions, display."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit import tables
from sslkit.artifacts import predictions
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.predictions import Predictions
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.data.examples import Examples
from sslkit.data.splits import PARTS, Split
from sslkit.probes import intervals, metrics
from sslkit.probes.intervals import finite

Floats = npt.NDArray[np.float64]


def score(
    examples: Examples, split: Split, predicted: Floats, task: ModuleType, seed: int
) -> dict[str, Any]:
    """Metrics of the test part with 95% bootstrap intervals, in plain types.

    Args:
        predicted: probabilities [records, classes], or targets [records].
        task: the module that names the metrics.
    """
    test = split.rows("test")
    truth, answers = examples.targets.values[test], predicted[test]
    said = metrics.decide(answers) if answers.ndim == 2 else np.round(answers, 12)
    estimate = intervals.bootstrap(task.METRICS, truth, answers, seed)
    return {
        "test_records": estimate.examples,
        "constant": bool(len(said) > 1 and len(np.unique(said)) == 1),
        "metrics": {name: finite(value) for name, value in estimate.metrics.items()},
    }


def table(examples: Examples, split: Split, predicted: Floats) -> Predictions:
    """Every record that is in a part of the split, in the order of the files."""
    rows = np.flatnonzero(split.part >= 0)
    return Predictions(
        ids=[examples.labelled.ids[row] for row in rows],
        rows=examples.labelled.rows[rows],
        splits=[PARTS[split.part[row]] for row in rows],
        labels=examples.targets.values[rows],
        predicted=predicted[rows],
        classes=examples.targets.classes,
    )


def show(made: Manifest, folder: RunFolder, talk: Console) -> None:
    """The scores as a table for a person, or as JSON; warns where the model says one thing."""
    held = made.results
    what = "all units of the test records" if "test_units" in held else "all test records"
    if held["constant"]:
        talk.warn(
            f"{what} get the same prediction: the model tells nothing apart; train "
            "longer, try another --learning-rate, or --class-weights balanced"
        )
    if not (talk.as_json or talk.quiet):
        start = "from scratch" if made.settings["from_scratch"] else "pretrained"
        title = f"{folder.path.name}, {start}: {_judged(held)}, seed "
        rows = [[name, *map(_cell, value.values())] for name, value in held["metrics"].items()]
        columns = ["metric", "value", "95% from", "to"]
        tables.show(f"{title}{made.settings['seed']}", columns, rows)
    files = {
        "checkpoint": str(folder.checkpoint),
        "predictions": str(folder.path / predictions.NAME),
    }
    talk.result(files | dict(held))


def _judged(held: Mapping[str, Any]) -> str:
    records = f"{held['test_records']} test records"
    return f"{held['test_units']:,} known units of {records}" if "test_units" in held else records


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
