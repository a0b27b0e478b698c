"""The picture of a schedule that looks at the run: what it measured, and what it did."""

from pathlib import Path
from typing import Any

from sslkit import figures
from sslkit.artifacts import metrics
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.errors import UsageError
from sslkit.files import atomic


def draw(folder: RunFolder, console: Console) -> None:
    """Write ``schedule.png`` beside the metrics of a run whose schedule left a trace.

    It comes before the checkpoint, which says that all is done. A finished run that has none, as
    what draws was not installed, gets it later.
    """
    if folder.checkpoint.is_file() and folder.picture.is_file():
        return
    rows = trace(folder.metrics)
    if not rows:
        return
    try:
        figures.check()
    except UsageError as error:
        console.say(f"the trace of the schedule is in {folder.metrics}; to draw it: {error.do}")
        return

    def paint(figure: Any) -> None:
        title = f"{folder.path.name}: gradient norm over loss, and the learning rate"
        figure.suptitle(title, fontsize=11)
        _paint(figure.subplots(1, 2), rows)

    atomic.write_bytes(folder.picture, figures.png(paint, 10, 4.2, "training"))
    console.say(f"wrote {folder.picture}")


def trace(path: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics in which a controller speaks."""
    rows: list[dict[str, float]] = []
    for row in metrics.rows(path):
        if "saturated" in row:
            rows.append(row)
        elif not rows:
            # Nobody speaks in the whole file.
            return []
    return rows


def _paint(axes: Any, rows: list[dict[str, float]]) -> None:
    left, right = axes
    for name, look in (
        ("ratio", {"color": figures.FAINT, "linewidth": 0.8}),
        ("set_point", {"color": figures.LINE, "linewidth": 1.2, "linestyle": "--"}),
    ):
        seen = [(row["step"], row[name]) for row in rows if name in row]
        if seen:
            left.plot(*zip(*seen, strict=True), label=name.replace("_", " "), **look)
    left.set(yscale="log", title="What is held", xlabel="step", ylabel="gradient norm / loss")
    if left.lines:
        left.legend(fontsize=8, frameon=False)
    steps = [row["step"] for row in rows]
    right.plot(steps, [row["factor"] for row in rows], color=figures.INK, label="factor")
    limited = [(row["step"], row["factor"]) for row in rows if row["saturated"]]
    if limited:
        right.plot(
            *zip(*limited, strict=True), ".", color=figures.LINE, markersize=2, label="at a limit"
        )
    right.set(yscale="log", title="What is moved", xlabel="step", ylabel="rate / peak rate")
    right.legend(fontsize=8, frameon=False)
    for part in axes:
        part.grid(alpha=0.25, linewidth=0.5)
