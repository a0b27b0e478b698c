"""What a fine-tuned model is worth on the test part: scores, table of predictions, display."""

from collections.abc import Mapping
from typing import Any

from sslkit import tables
from sslkit.artifacts import predictions
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.supervision import Predictions


def score(predictions: Predictions, seed: int) -> dict[str, Any]:
    """Metrics of the test part with 95% bootstrap intervals, in plain types."""
    return {
        **predictions.sizes(),
        "constant": predictions.is_constant,
        "metrics": predictions.metrics(seed),
    }


def show(made: Manifest, folder: RunFolder, console: Console) -> None:
    """The scores as a table for a person, or as JSON; warns where the model says one thing."""
    held = made.results
    what = "all units of the test records" if "test_units" in held else "all test records"
    if held["constant"]:
        console.warn(
            f"{what} get the same prediction: the model tells nothing apart; train "
            "longer, try another --learning-rate, or --class-weights balanced"
        )
    if not (console.as_json or console.quiet):
        start = "from scratch" if made.settings["from_scratch"] else "pretrained"
        title = f"{folder.path.name}, {start}: {_judged(held)}, seed "
        rows = [[name, *map(_cell, value.values())] for name, value in held["metrics"].items()]
        columns = ["metric", "value", "95% from", "to"]
        tables.show(f"{title}{made.settings['seed']}", columns, rows)
    files = {
        "checkpoint": str(folder.checkpoint),
        "predictions": str(folder.path / predictions.NAME),
    }
    console.result(files | dict(held))


def _judged(held: Mapping[str, Any]) -> str:
    records = f"{held['test_records']} test records"
    return f"{held['test_units']:,} known units of {records}" if "test_units" in held else records


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
