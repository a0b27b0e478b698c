"""What length costs each encoder, and over what distance each recalls: tables and length.png.

    python tests/benchmarks/bench_length.py --raw length.json

Cost: processor seconds of a forward and backward pass of 6 blocks of width 256, not causal, in
bfloat16 on one pinned core, and the memory at the peak beyond what the process held after a pass
over 8 tokens. Every point is a fresh process (length_task.py) and the best of a few passes; rounds
take all encoders in turn, and the median of the rounds is shown. Tokens per batch are held equal,
so rows get fewer as they get longer; in the second table every batch is one row.

Recall: one token stands behind a marker, queries further on ask for it, and all between is random
tokens of the same kind, of which there are 8: chance is .125. Causal encoders of 8 blocks are
trained by next-token modelling (objectives/clm.py, engine/loop.py) with those targets alone, at
equal parameters, steps and tokens a step, on distances up to 1024, short ones first, at two
learning rates of which the better is shown. The convolution reaches 1020 tokens back.

With --raw, points are kept in a file and not measured again. Without what the extra `plot` brings
the tables are all.
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from length_task import DISTANCES, ENCODERS, RECALL_WIDTHS

HERE = Path(__file__).parent
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
#: Beyond this one pass of a point is timed in a round, after the one that warms up, not three.
_LONG = 2048
SINGLE = (128, 512, 2048, 8192)
RATES = ("0.001", "0.003")
COLOURS = {
    "transformer": "#1f4e79", "gru": "#c0504d", "gru, classic": "#e0a19f", "conv": "#6a8f3c",
}  # fmt: skip


class Points:
    """What was measured, by the words of the command that measured it."""

    def __init__(self, raw: Path | None) -> None:
        self.raw = raw
        self.found: dict[str, dict[str, float]] = {}
        if raw is not None and raw.is_file():
            self.found = json.loads(raw.read_text())

    def get(self, *words: str, again: int = 0) -> dict[str, float]:
        """Run length_task.py, or remember it; ``again`` counts its repetitions."""
        key = " ".join([*words, f"#{again}"])
        if key not in self.found:
            command = [sys.executable, str(HERE / "length_task.py"), *words]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            self.found[key] = json.loads(done.stdout)
            print(f"{key}: {done.stdout.strip()}", file=sys.stderr, flush=True)
            if self.raw is not None:
                self.raw.write_text(json.dumps(self.found, indent=0))
        return self.found[key]


def main() -> None:
    """Measure, print tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=8192, help="of a batch")
    parser.add_argument("--steps", type=int, default=300, help="of training, for recall")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--raw", type=Path, help="where points are kept")
    parser.add_argument("--picture", type=Path, default=HERE / "length.png")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {asked.core})
    print(f"load {os.getloadavg()[0]:.1f} at the beginning")
    points = Points(asked.raw)
    equal = {n: cost(points, n, asked.rounds, asked.tokens) for n in LENGTHS}
    single = {n: cost(points, n, asked.rounds, n) for n in SINGLE}
    print_costs(f"{asked.tokens} tokens a batch", equal)
    print_costs("one row a batch", single)
    recalled = {name: best(points, name, asked.steps) for name in RECALL_WIDTHS}
    print_recall(recalled, asked.steps)
    if importlib.util.find_spec("matplotlib") is None:
        print("\nno picture: matplotlib is not installed")
    else:
        draw(asked.picture, asked.tokens, equal, recalled)


def cost(points: Points, length: int, rounds: int, tokens: int) -> dict[str, tuple[float, float]]:
    """Microseconds and KiB for each token, by encoder."""
    rows = tokens // length
    found = {}
    for name in ENCODERS:
        words = ["cost", name, "--length", str(length), "--rows", str(rows)]
        words += ["--repeats", "1"] if length > _LONG else []
        each = [points.get(*words, again=again) for again in range(rounds)]
        seconds = statistics.median(one["seconds"] for one in each)
        mib = statistics.median(one["mib"] for one in each)
        found[name] = seconds * 1e6 / (rows * length), mib * 1024 / (rows * length)
    return found


def best(points: Points, name: str, steps: int) -> dict[str, float]:
    """Recall of an encoder at the learning rate at which it recalls most, which is added."""
    found = []
    for rate in RATES:
        run = points.get("recall", name, "--steps", str(steps), "--rate", rate)
        found.append(run | {"rate": float(rate)})
    return max(found, key=lambda run: sum(run[str(distance)] for distance in DISTANCES))


def print_costs(title: str, found: dict[int, dict[str, tuple[float, float]]]) -> None:
    """A table: lengths down, encoders across."""
    print(f"\nmicroseconds (KiB) for each token, {title}\n")
    print(f"| length | {' | '.join(ENCODERS)} |")
    print("|---" * (1 + len(ENCODERS)) + "|")
    for length, row in found.items():
        cells = [f"{row[name][0]:.0f} ({row[name][1]:.0f})" for name in ENCODERS]
        print(f"| {length} | {' | '.join(cells)} |")


def print_recall(found: dict[str, dict[str, float]], steps: int) -> None:
    """A table: encoders down, distances across."""
    print(f"\nshare recalled after {steps} steps, by distance\n")
    print(f"| encoder | parameters | rate | seconds | {' | '.join(map(str, DISTANCES))} |")
    print("|---" * (4 + len(DISTANCES)) + "|")
    for name, row in found.items():
        cells = [f"{row[str(distance)]:.2f}" for distance in DISTANCES]
        made = f"{row['parameters']:,} | {row['rate']} | {row['seconds']:.0f}"
        print(f"| {name} | {made} | {' | '.join(cells)} |")


def draw(
    path: Path,
    tokens: int,
    costs: dict[int, dict[str, tuple[float, float]]],
    recalled: dict[str, dict[str, float]],
) -> None:
    """Time, memory and recall side by side, in matplotlib's own style whatever the user's is."""
    matplotlib = importlib.import_module("matplotlib")
    figures = importlib.import_module("matplotlib.figure")
    canvases = importlib.import_module("matplotlib.backends.backend_agg")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = figures.Figure(figsize=(13, 4.2), dpi=150, layout="constrained")
        canvases.FigureCanvasAgg(figure)
        time, memory, recall = figure.subplots(1, 3)
        for name, colour in COLOURS.items():
            style = {"color": colour, "linewidth": 1.5, "marker": "o", "markersize": 3.5}
            for axes, part in ((time, 0), (memory, 1)):
                values = [row[name][part] for row in costs.values()]
                axes.plot(list(costs), values, label=name, **style)
            if name in recalled:
                values = [recalled[name][str(distance)] for distance in DISTANCES]
                recall.plot(DISTANCES, values, label=name, **style)
        shape = f"6 blocks of 256, {tokens:,} tokens a batch"
        _dress(time, f"Time, {shape}", "length of a row", "microseconds per token")
        _dress(memory, f"Memory, {shape}", "length of a row", "KiB per token at the peak")
        time.set(yscale="log", ylim=(100, 5000))
        ticks = (100, 200, 500, 1000, 2000, 5000)
        time.set_yticks(ticks, [str(tick) for tick in ticks])
        time.set_yticks([], minor=True)
        memory.set(ylim=(0, None))
        _dress(recall, "Recall of one token, 8 blocks of 64", "distance", "share recalled")
        recall.axhline(1 / 8, color="#777777", linewidth=0.8, linestyle="--")
        recall.axvline(1024, color="#777777", linewidth=0.8, linestyle=":")
        recall.annotate("chance", (DISTANCES[0], 0.14), fontsize=8, color="#777777")
        recall.annotate(
            "longest trained on", (980, 0.4), fontsize=8, color="#777777", rotation=90, ha="right"
        )
        recall.set(ylim=(0, 1.04))
        time.legend(loc="upper left", fontsize=8, frameon=False)
        figure.savefig(path, metadata={"Software": None})


def _dress(axes: Any, title: str, across: str, up: str) -> None:
    axes.set(xscale="log", xlabel=across, ylabel=up)
    axes.set_title(title, fontsize=11)
    ticks = DISTANCES if across == "distance" else LENGTHS
    axes.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=8)
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.25, linewidth=0.5)


if __name__ == "__main__":
    main()
