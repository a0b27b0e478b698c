"""The report of a probe: metrics and differences of its models, written, read again, and shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sslkit import tables
from sslkit.artifacts import kinds, manifest
from sslkit.artifacts.content import by_content
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.run import differences
from sslkit.console import Console
from sslkit.errors import UsageError
from sslkit.files import atomic
from sslkit.stages.probe.study import Result

#: The file in ``probed/<task>/`` with manifest and results.
NAME = kinds.REPORT
_SHOWN_METRICS = 2


def results(header: Mapping[str, Any], results: Sequence[Result], seed: int) -> dict[str, Any]:
    """The results of all models for the manifest, in the types of JSON; NaN is None."""
    return {
        **header,
        "models": [
            {
                "name": result.name,
                "metrics": result.predictions.metrics(seed),
                **result.predictions.details(),
                **({} if result.chosen is None else {"chosen": [dict(c) for c in result.chosen]}),
            }
            for result in results
        ],
        "differences": _differences(results, seed),
    }


def _differences(results: Sequence[Result], seed: int) -> list[dict[str, Any]]:
    """Differences of the evaluated model, the last, from each other one on the headline metric."""
    *baselines, evaluated = [result for result in results if result.is_compared]
    return [
        {
            "metric": evaluated.predictions.headline,
            "model": evaluated.name,
            "baseline": baseline.name,
        }
        | evaluated.predictions.difference(baseline.predictions, seed)
        for baseline in baselines
    ]


def write(folder: Path, report: Manifest) -> None:
    """Write the report as JSON."""
    text = json.dumps(asdict(report), indent=1, sort_keys=True, allow_nan=False)
    atomic.write_text(folder / NAME, text + "\n")


def earlier(out: Path, described: Mapping[str, Any], *, force: bool) -> Manifest | None:
    """The report of an earlier run of the same identity; None where there is none.

    Args:
        described: the identity, as fields of a manifest.

    Raises:
        UsageError: the folder has a report of another identity.
    """
    path = out / NAME
    if force or not path.is_file():
        return None
    existing = manifest.from_json(path.read_bytes(), str(path))
    expected = manifest.make(**described)
    identities = (json.loads(entry.to_json()) for entry in (existing, expected))
    theirs, ours = (by_content(identity | {"results": None}) for identity in identities)
    if different := differences(theirs, ours):
        raise UsageError(
            f"{out} holds another run",
            why="; ".join(different),
            do="choose another folder with --out, or overwrite it with --force",
        )
    return existing


def show_again(earlier_report: Manifest, path: Path, console: Console) -> None:
    """Show the report of an earlier run, which is finished.

    Raises:
        DataError: it is damaged.
    """
    console.say(f"{path} is finished: nothing to do")
    with manifest.reading_results(path):
        show(earlier_report, console)


def show(report: Manifest, console: Console) -> None:
    """The report as a table for a person, or as JSON."""
    results = report.results
    console.result(results)
    if console.as_json or console.quiet:
        return
    models, per_family = results["models"], "families" in results
    names = results["metrics"] if per_family else results["metrics"][:_SHOWN_METRICS]
    rows = [[m["name"], *(_cell(m["metrics"][name]) for name in names)] for m in models]
    columns = ["method" if per_family else "model", *(f"{name} [95%]" for name in names)]
    tables.show(results["title"], columns, rows)
    for model in models if per_family else ():
        values = (f"{name} {_number(of[names[-1]])}" for name, of in model["families"].items())
        console.say(f"{names[-1]} of {model['name']}: {', '.join(values)}")
    for difference in results["differences"]:
        line = f"{difference['model']} - {difference['baseline']}, {difference['metric']}"
        console.say(f"{line}: {_cell(difference, '+')}")


def _cell(interval: Mapping[str, Any], sign: str = "") -> str:
    value, low, high = (_number(interval[end], sign) for end in ("value", "low", "high"))
    return value if value == "-" else f"{value} [{low}, {high}]"


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"
