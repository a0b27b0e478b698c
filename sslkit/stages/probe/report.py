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
from sslkit.stages.probe.study import Result

#: The file in ``probed/<task>/`` that holds manifest and results.
NAME = kinds.REPORT
_SHOWN_METRICS = 2


def results(header: Mapping[str, Any], results: Sequence[Result], seed: int) -> dict[str, Any]:
    """What a manifest keeps of all models, in plain types; NaN as None."""
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
    """What the model that is judged is above each other one, on the headline metric."""
    *baselines, judged = [result for result in results if result.is_compared]
    return [
        {"metric": judged.predictions.headline, "model": judged.name, "baseline": baseline.name}
        | judged.predictions.difference(baseline.predictions, seed)
        for baseline in baselines
    ]


def write(folder: Path, made: Manifest) -> None:
    """Write the report as JSON."""
    text = json.dumps(asdict(made), indent=1, sort_keys=True, allow_nan=False)
    atomic.write_text(folder / NAME, text + "\n")


def earlier(out: Path, described: Mapping[str, Any], *, force: bool) -> Manifest | None:
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
    models, per_family = report["models"], "families" in report
    names = report["metrics"] if per_family else report["metrics"][:_SHOWN_METRICS]
    rows = [[m["name"], *(_cell(m["metrics"][name]) for name in names)] for m in models]
    columns = ["method" if per_family else "model", *(f"{name} [95%]" for name in names)]
    tables.show(report["title"], columns, rows)
    for model in models if per_family else ():
        each = (f"{name} {_number(of[names[-1]])}" for name, of in model["families"].items())
        console.say(f"{names[-1]} of {model['name']}: {', '.join(each)}")
    for one in report["differences"]:
        line = f"{one['model']} less {one['baseline']}, {one['metric']}"
        console.say(f"{line}: {_cell(one, '+')}")


def _cell(interval: Mapping[str, Any], sign: str = "") -> str:
    value, low, high = (_number(interval[end], sign) for end in ("value", "low", "high"))
    return value if value == "-" else f"{value} [{low}, {high}]"


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"
