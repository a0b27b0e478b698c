"""scaling: what runs of several sizes reached for their compute, and what the next doubling brings.

The story: the metrics of each run give curves of the held-out loss and, where probes were taken,
of the score; a saturating power law is fitted to each and to the best of all; the table says where
the runs stand and what twice as much should bring.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sslkit import figures, tables
from sslkit.analysis import curves
from sslkit.analysis.curves import Curve
from sslkit.analysis.scaling import FEWEST
from sslkit.artifacts import checkpoint, destination, kinds
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console, human
from sslkit.engine import runlog, watch
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic
from sslkit.options import Common
from sslkit.probes.intervals import Interval
from sslkit.stages.scaling import plot as scaling_plot

_LOSS = "heldout_loss"
#: What a step reads, as rows of metrics name it: of a corpus, of an equation.
_UNITS = ("tokens", "points")
By = Literal["tokens", "flops", "parameters"]


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of scaling; the command line holds their meaning and defaults."""

    runs: list[Path]
    by: By
    plot: Path | None


@dataclass(frozen=True)
class Run:
    """A run as its folder tells of it.

    Attributes:
        rows: those of evaluations.
        unit: what it has read, by name.
        parameters: 0 where there is no checkpoint yet.
        seconds: of the clock, as far as the log tells; None where it does not.
        stopped: why it ended early; empty where it did not.
    """

    name: str
    rows: Sequence[Mapping[str, float]]
    unit: str
    parameters: int
    seconds: float | None
    stopped: str


def run(options: Options, console: Console) -> None:
    """Fit, draw and tell; see the command's help."""
    if options.plot is not None:
        figures.check()
        do = "name another file with --plot"
        destination.check(options.plot, kinds.picture("scaling"), options, do=do)
    runs = [_read(path, console) for path in options.runs]
    if len({one.name for one in runs}) < len(runs):
        raise UsageError("a run is named twice")
    for one in runs:
        _check(one, options.by)
    found = {metric: _panel(runs, metric, options.by) for metric in (_LOSS, *_probed(runs))}
    laws = [c for panel in found.values() for c in panel if c.law is not None]
    if not laws:
        what = "runs" if options.by == "parameters" else "evaluations beyond their beginning"
        most = max((len(c.spent) for panel in found.values() for c in panel), default=len(runs))
        raise DataError(
            "there is too little to fit a law to",
            where=", ".join(one.name for one in runs),
            why=f"a law takes {FEWEST} {what}; the longest curve has {most}",
            do="train longer, evaluate more often (--probe-every), or name more runs",
        )
    if options.plot is not None:
        atomic.write_bytes(options.plot, scaling_plot.png(found, options.by))
        console.say(f"wrote {options.plot}")
    console.result(_plain(runs, found, options.by))
    _show(runs, found, options.by, console)


def _read(path: Path, console: Console) -> Run:
    """A run, finished or not."""
    folder = RunFolder(path)
    rows: list[dict[str, float]] = watch.evaluations(folder.metrics)
    if not rows:
        raise UsageError(
            f"{path} holds no log of a pretraining run",
            why=f"{folder.metrics} is not there, or has no evaluation yet",
            do="name folders that sslkit pretrain wrote",
        )
    (unit,) = (name for name in _UNITS if name in rows[-1])
    parameters, stopped = 0, ""
    if folder.checkpoint.is_file():
        held = checkpoint.load(folder.checkpoint)
        parameters = sum(t.numel() for part in held.tensors.values() for t in part.values())
        stopped = str(held.manifest.results.get("stopped", ""))
    else:
        console.say(f"{path} is not finished: read up to step {rows[-1]['step']}")
    if parameters and not all("flops" in row for row in rows):
        # Of a version that did not count them.
        rows = [{**row, "flops": 6.0 * parameters * row[unit]} for row in rows]
    spent = runlog.seconds(folder.log)
    seconds = spent[max(spent)] if spent else None
    return Run(str(path), rows, unit, parameters, seconds, stopped)


def _check(one: Run, by: By) -> None:
    if by == "tokens" and one.unit != by:
        raise UsageError(f"{one.name} has read {one.unit}, no tokens", do="use --by flops")
    lacks = not one.parameters if by == "parameters" else by not in one.rows[-1]
    if lacks:
        raise UsageError(
            f"{one.name} is not finished, so its {by} are not known",
            do="finish it, leave it out, or use --by tokens",
        )


def _probed(runs: Sequence[Run]) -> list[str]:
    """The scores that any of the runs logged."""
    return sorted({n for one in runs for row in one.rows for n in row if n.startswith("probe_")})


def _panel(runs: Sequence[Run], metric: str, by: By) -> list[Curve]:
    """The curves of a metric: of each run that has it, and of all together where there are many."""
    column = "flops" if by == "parameters" else by
    found, sizes = [], []
    for one in runs:
        curve = curves.of_run(one.name, one.rows, metric, column)
        if curve is not None:
            found.append(curve)
            sizes.append(float(one.parameters))
    if len(found) < 2:
        return [] if by == "parameters" else found
    if by == "parameters":
        return [curves.of_ends(found, sizes)]
    return [*found, curves.envelope(found)]


def _plain(runs: Sequence[Run], found: Mapping[str, list[Curve]], by: By) -> dict[str, Any]:
    """All of it for machines."""
    return {
        "by": by,
        "runs": [
            {
                "run": one.name,
                "parameters": one.parameters or None,
                one.unit: one.rows[-1][one.unit],
                "flops": one.rows[-1].get("flops"),
                "seconds": one.seconds,
                "stopped": one.stopped or None,
            }
            for one in runs
        ],
        "curves": [_told(curve) for panel in found.values() for curve in panel],
    }


def _told(curve: Curve) -> dict[str, Any]:
    law = curve.law
    fitted = law and {
        "limit": asdict(law.limit) if law.settles else None,
        "scale": asdict(law.scale),
        "exponent": asdict(law.exponent),
        "reference": law.reference,
        "noise": law.noise,
        "correlation": law.correlation,
        "points": law.points,
        "doubled": asdict(law.at(2 * float(curve.spent[-1]))),
    }
    gain = curve.gain
    return {
        "curve": curve.name,
        "metric": curve.metric,
        "spent": curve.spent.tolist(),
        "value": curve.value.tolist(),
        "law": fitted,
        "gain_of_doubling": gain and asdict(gain),
    }


def _show(runs: Sequence[Run], found: Mapping[str, list[Curve]], by: By, console: Console) -> None:
    """The table for a person."""
    if console.as_json or console.quiet:
        return
    for metric, panel in found.items():
        rows = [
            [
                curve.name,
                human(float(curve.spent[-1])),
                f"{curve.value[-1]:.4f}",
                _cell(curve.law.exponent if curve.law else None, "", 2),
                _limit(curve),
                _cell(curve.gain, "+", 4),
            ]
            for curve in panel
        ]
        title = f"{metric} by {by}: value = limit + scale * {by} ** -exponent, 95% intervals"
        columns = ["run", by, metric, "exponent", "limit", f"gain of twice the {by}"]
        tables.show(title, columns, rows)
    for one in runs:
        last = one.rows[-1]
        spent = f"{human(last[one.unit])} {one.unit}"
        spent += f", {human(last['flops'])} FLOPs" if "flops" in last else ""
        clock = "" if one.seconds is None else f", {one.seconds:,.0f} s"
        console.say(
            f"{one.name}: {spent}{clock}" + (f"; stopped: {one.stopped}" if one.stopped else "")
        )


def _limit(curve: Curve) -> str:
    if curve.law is not None and not curve.law.settles:
        return "none in sight"
    return _cell(curve.law.limit if curve.law else None, "", 3)


def _cell(held: Interval | None, sign: str, digits: int) -> str:
    if held is None:
        return "-"
    value, low, high = (f"{end:{sign}.{digits}f}" for end in (held.value, held.low, held.high))
    return f"{value} [{low}, {high}]"
