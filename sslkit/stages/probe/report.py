"""The report of probes: what is kept of each, written, held against an earlier one, shown."""

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
from sslkit.probes import intervals
from sslkit.probes.comparison import Exam, Result
from sslkit.probes.intervals import finite

#: The file in ``probed/<task>/`` that holds manifest and results.
NAME = kinds.REPORT
_SHOWN_METRICS = 2


def results(title: str, exam: Exam, found: Sequence[Result]) -> dict[str, Any]:
    """What a manifest keeps of all models, in plain types; NaN as None."""
    return {
        "title": title,
        "test_records": len(exam.rows),
        "metrics": list(exam.metrics),
        "models": [_plain(result) for result in found],
        "differences": _differences(exam, found),
    }


def write(folder: Path, made: Manifest) -> None:
    """Write the report as JSON."""
    text = json.dumps(asdict(made), indent=1, sort_keys=True, allow_nan=False)
    atomic.write_text(folder / NAME, text + "\n")


def held(out: Path, described: Mapping[str, Any], *, force: bool) -> Manifest | None:
    """The report of an earlier run of the same identity; None where there is none.

    Raises:
        UsageError: the folder holds a report of other settings.
    """
    path = out / NAME
    if force or not path.is_file():
        return None
    theirs = manifest.from_json(path.read_bytes(), str(path))
    mine = json.loads(json.dumps(asdict(manifest.make(**described))))
    known = json.loads(theirs.to_json())
    theirs_plain, mine_plain = (by_content(one | {"results": None}) for one in (known, mine))
    if found := differences(theirs_plain, mine_plain):
        raise UsageError(
            f"{out} holds another run",
            why="; ".join(found),
            do="choose another folder with --out, or overwrite it with --force",
        )
    return theirs


def _differences(exam: Exam, found: Sequence[Result]) -> list[dict[str, Any]]:
    """What the last linear model is above each linear baseline, on the headline metric."""
    linear = [result for result in found if result.name.endswith(("logistic", "ridge"))]
    truth, judged, name = exam.values[exam.rows], linear[-1], exam.metrics[0]
    return [
        {"metric": name, "model": judged.name, "baseline": baseline.name}
        | finite(intervals.difference(name, truth, judged.predicted, baseline.predicted, exam.seed))
        for baseline in linear[:-1]
    ]


def _plain(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "metrics": {name: finite(value) for name, value in result.estimate.metrics.items()},
        "chosen": [dict(chosen) for chosen in result.chosen],
    }


def show_again(made: Manifest, path: Path, console: Console) -> None:
    """Say that nothing is to be done, and show the report of an earlier run.

    Raises:
        DataError: it is damaged.
    """
    console.say(f"{path} is finished: nothing to do")
    with manifest.reading_results(path):
        show(made, console)


def show(made: Manifest, console: Console) -> None:
    """The report as a table for a person, or as JSON."""
    report = made.results
    console.result(report)
    if console.as_json or console.quiet:
        return
    names = report["metrics"][:_SHOWN_METRICS]
    rows = [
        [model["name"], *(_cell(model["metrics"][name]) for name in names)]
        for model in report["models"]
    ]
    tables.show(report["title"], ["model", *(f"{name} [95%]" for name in names)], rows)
    for held in report["differences"]:
        line = f"{held['model']} less {held['baseline']}, {held['metric']}"
        console.say(f"{line}: {_cell(held, '+')}")


def _cell(held: Mapping[str, Any], sign: str = "") -> str:
    value, low, high = (
        "-" if held[end] is None else f"{held[end]:{sign}.3f}" for end in ("value", "low", "high")
    )
    return value if value == "-" else f"{value} [{low}, {high}]"
