"""Evaluation of a fine-tuned model on the test part: metrics, and their display."""

from collections.abc import Mapping
from typing import Any

from sslkit import tables
from sslkit.artifacts import predictions
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.supervision import Predictions


def score(predictions: Predictions, seed: int) -> dict[str, Any]:
    """Metrics of the test part with 95% bootstrap intervals, in the types of JSON."""
    return {
        **predictions.sizes(),
        "constant": predictions.is_constant,
        "metrics": predictions.metrics(seed),
    }


def show(manifest: Manifest, folder: RunFolder, console: Console) -> None:
    """Show the metrics as a table or as JSON; warn where all predictions are equal."""
    results = manifest.results
    if results["constant"]:
        predicted = "units of the test records" if "test_units" in results else "test records"
        console.warn(
            f"all {predicted} get the same prediction: the model distinguishes nothing; train "
            "longer, try another --learning-rate, or --class-weights balanced"
        )
    if not (console.as_json or console.quiet):
        start = "from scratch" if manifest.settings["from_scratch"] else "pretrained"
        title = f"{folder.path.name}, {start}: {_test_size(results)}, seed "
        rows = [[name, *map(_cell, value.values())] for name, value in results["metrics"].items()]
        columns = ["metric", "value", "95% from", "to"]
        tables.show(f"{title}{manifest.settings['seed']}", columns, rows)
    files = {
        "checkpoint": str(folder.checkpoint),
        "predictions": str(folder.path / predictions.NAME),
    }
    console.result(files | dict(results))


def _test_size(results: Mapping[str, Any]) -> str:
    records = f"{results['test_records']} test records"
    return (
        f"{results['test_units']:,} known units of {records}"
        if "test_units" in results
        else records
    )


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
