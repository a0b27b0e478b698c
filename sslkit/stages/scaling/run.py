"""scaling: what runs of several sizes reached for their compute, and what the next doubling brings.

    sslkit scaling small medium large --plot scaling.png

The metrics of each run give curves of the held-out loss and, where probes were logged, of their
scores; a saturating power law is fitted to each curve and to the best of all; the table gives the
last value of each curve, its law, and the forecast gain of twice the compute.
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
    """Options of scaling; the command line explains them."""

    runs: list[Path]
    by: By
    plot: Path | None


@dataclass(frozen=True)
class Run:
    """A pretraining run, read from its folder.

    Attributes:
        rows: of its metrics, those of evaluations.
        unit: name of what it has read: tokens or points.
        parameters: 0 where there is no checkpoint yet.
        seconds: wall-clock time by the log; None where the log has none.
        stopped: why it ended early; empty where it did not.
    """

    name: str
    rows: Sequence[Mapping[str, float]]
    unit: str
    parameters: int
    seconds: float | None
    stopped: str


def run(options: Options, console: Console) -> None:
    """Fit, draw and show; see the command's help."""
    # ---- Output: refuse at once what could not be written at the end ----
    if options.plot is not None:
        figures.check()
        do = "name another file with --plot"
        destination.check(options.plot, kinds.picture("scaling"), options, do=do)

    # ---- Data: metrics of the runs ----
    runs = [_read(path, console) for path in options.runs]
    _check(runs, options.by)

    # ---- Model: curves, and a law fitted to each ----
    panels = {metric: _panel(runs, metric, options.by) for metric in (_LOSS, *_probed(runs))}
    laws = [c for panel in panels.values() for c in panel if c.law is not None]
    if not laws:
        needed = "runs" if options.by == "parameters" else "evaluations beyond their beginning"
        most = max((len(c.spent) for panel in panels.values() for c in panel), default=len(runs))
        raise DataError(
            "there is too little to fit a law to",
            where=", ".join(run.name for run in runs),
            why=f"a law takes {FEWEST} {needed}; the longest curve has {most}",
            do="train longer, evaluate more often (--probe-every), or name more runs",
        )

    # ---- Output: a picture, and a table ----
    if options.plot is not None:
        atomic.write_bytes(options.plot, scaling_plot.png(panels, options.by))
        console.say(f"wrote {options.plot}")
    console.result(_results(runs, panels, options.by))
    _show(runs, panels, options.by, console)


def _read(path: Path, console: Console) -> Run:
    """A run, finished or not."""
    folder = RunFolder(path)
    rows: list[dict[str, float]] = watch.evaluations(folder.metrics)
    if not rows:
        raise UsageError(
            f"{path} has no log of a pretraining run",
            why=f"{folder.metrics} does not exist, or has no evaluation yet",
            do="name folders that sslkit pretrain wrote",
        )
    (unit,) = (name for name in _UNITS if name in rows[-1])
    parameters, stopped = 0, ""
    if folder.checkpoint.is_file():
        content = checkpoint.load(folder.checkpoint)
        parameters = sum(t.numel() for part in content.tensors.values() for t in part.values())
        stopped = str(content.manifest.results.get("stopped", ""))
    else:
        console.say(f"{path} is not finished: read up to step {rows[-1]['step']}")
    if parameters and not all("flops" in row for row in rows):
        # The version that wrote the log did not count them.
        rows = [{**row, "flops": 6.0 * parameters * row[unit]} for row in rows]
    seconds_at = runlog.seconds(folder.log)
    seconds = seconds_at[max(seconds_at)] if seconds_at else None
    return Run(str(path), rows, unit, parameters, seconds, stopped)


def _check(runs: Sequence[Run], by: By) -> None:
    if len({run.name for run in runs}) < len(runs):
        raise UsageError("a run is named twice")
    for run in runs:
        if by == "tokens" and run.unit != by:
            raise UsageError(f"{run.name} has read {run.unit}, no tokens", do="use --by flops")
        is_unknown = not run.parameters if by == "parameters" else by not in run.rows[-1]
        if is_unknown:
            raise UsageError(
                f"{run.name} is not finished, so its {by} are not known",
                do="finish it, leave it out, or use --by tokens",
            )


def _probed(runs: Sequence[Run]) -> list[str]:
    """The scores that any of the runs logged."""
    return sorted({n for run in runs for row in run.rows for n in row if n.startswith("probe_")})


def _panel(runs: Sequence[Run], metric: str, by: By) -> list[Curve]:
    """The curves of a metric: of each run that has it, and of several runs together."""
    column = "flops" if by == "parameters" else by
    of_runs, sizes = [], []
    for run in runs:
        curve = curves.of_run(run.name, run.rows, metric, column)
        if curve is not None:
            of_runs.append(curve)
            sizes.append(float(run.parameters))
    if len(of_runs) < 2:
        return [] if by == "parameters" else of_runs
    if by == "parameters":
        return [curves.of_ends(of_runs, sizes)]
    return [*of_runs, curves.envelope(of_runs)]


def _results(runs: Sequence[Run], panels: Mapping[str, list[Curve]], by: By) -> dict[str, Any]:
    """Runs and curves in the types of JSON."""
    return {
        "by": by,
        "runs": [
            {
                "run": run.name,
                "parameters": run.parameters or None,
                run.unit: run.rows[-1][run.unit],
                "flops": run.rows[-1].get("flops"),
                "seconds": run.seconds,
                "stopped": run.stopped or None,
            }
            for run in runs
        ],
        "curves": [_described(curve) for panel in panels.values() for curve in panel],
    }


def _described(curve: Curve) -> dict[str, Any]:
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


def _show(runs: Sequence[Run], panels: Mapping[str, list[Curve]], by: By, console: Console) -> None:
    """Show a table for each metric, and a line for each run."""
    if console.as_json or console.quiet:
        return
    for metric, panel in panels.items():
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
    for run in runs:
        last = run.rows[-1]
        spent = f"{human(last[run.unit])} {run.unit}"
        spent += f", {human(last['flops'])} FLOPs" if "flops" in last else ""
        spent += "" if run.seconds is None else f", {run.seconds:,.0f} s"
        console.say(f"{run.name}: {spent}" + (f"; stopped: {run.stopped}" if run.stopped else ""))


def _limit(curve: Curve) -> str:
    if curve.law is not None and not curve.law.settles:
        return "none in sight"
    return _cell(curve.law.limit if curve.law else None, "", 3)


def _cell(interval: Interval | None, sign: str, digits: int) -> str:
    if interval is None:
        return "-"
    ends = interval.value, interval.low, interval.high
    value, low, high = (f"{end:{sign}.{digits}f}" for end in ends)
    return f"{value} [{low}, {high}]"
