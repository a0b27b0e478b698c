"""Equations: relative error of AdamW and of AdamW then L-BFGS, and what another viscosity takes.

    python tests/benchmarks/bench_physics.py

On one pinned core, with --precision fp32 and the default network. First both published problems of
../shared/data/physics, seed 1: the AdamW run has as many steps as the other has evaluations of the
batch. Then Burgers' equation at another viscosity, warm from the first part's run and cold, over
seeds: steps until the relative error falls below a bound (looked at every 50 steps; a run that
does not come there counts as its last step). Its reference is the Cole-Hopf integral, which is
held against the published solution first. About 11 processor minutes; --quick takes one.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import io as matlab
from scipy import stats

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "physics"
PROBLEMS = {"burgers": "burgers_shock.mat", "allen-cahn": "AC.mat"}
PUBLISHED, OTHER = 0.01 / math.pi, 0.02 / math.pi
#: Loss evaluations that L-BFGS takes for an iteration, about.
PER_ITERATION = 1.1
ITERATIONS = 20
BOUND = 0.01


def cole_hopf(
    x: npt.NDArray[np.float64], t: npt.NDArray[np.float64], viscosity: float, nodes: int = 8001
) -> npt.NDArray[np.float64]:
    """Burgers' equation from -sin(pi x), [len(x), len(t)], by the trapezium rule.

    Cole 1951, Hopf 1950, as in Basdevant et al. 1986, eq. 2.5; the integrands are smooth and
    vanish at both ends, so that the rule's error falls faster than any power.
    """
    found = np.empty((len(x), len(t)))
    for column, time in enumerate(t):
        if time == 0:
            found[:, column] = -np.sin(np.pi * x)
            continue
        reach = min(4.0, 12 * math.sqrt(2 * viscosity * time) + 2.0)
        shift = np.linspace(-reach, reach, nodes)
        for row, place in enumerate(x):
            here = np.pi * (place - shift)
            log = -np.cos(here) / (2 * np.pi * viscosity) - shift**2 / (4 * viscosity * time)
            weight = np.exp(log - log.max())
            found[row, column] = -(np.sin(here) * weight).sum() / weight.sum()
    return found


def run(folder: Path, name: str, core: int, *words: str) -> tuple[list[dict[str, float]], float]:
    """The metrics of a run, and its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "sslkit", "pretrain", "--domain", "physics", "-q", "-o", name]
    subprocess.run(
        [*command, "--threads", "1", "--device", "cpu", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = (folder / name / "metrics.jsonl").read_text().splitlines()
    return [json.loads(row) for row in rows], after.ru_utime - before.ru_utime


def errors(rows: list[dict[str, float]]) -> list[tuple[int, float]]:
    """Steps and relative errors where they were looked at."""
    return [(int(row["step"]), row["relative_error"]) for row in rows if "relative_error" in row]


def both(after: int, steps: int, iterations: int) -> tuple[str, ...]:
    """AdamW for so many steps, then steps of L-BFGS."""
    share = after / (after + steps)
    return (
        "--optimizer", "adamw+lbfgs", "--steps", str(after + steps), "--set",
        f"lbfgs.after={share}", "--set", f"lbfgs.iterations={iterations}",
    )  # fmt: skip


def published(folder: Path, asked: argparse.Namespace) -> None:
    """The first table: both problems, both ways."""
    print("| equation | optimizer | steps | relative L2 error | processor seconds |")
    print("|---|---|---|---|---|")
    first, steps = (20, 3) if asked.quick else (300, 130)
    alone = first + round(PER_ITERATION * ITERATIONS * steps)
    ways = {"adamw": ("--steps", str(alone)), "adamw+lbfgs": both(first, steps, ITERATIONS)}
    for equation, file in PROBLEMS.items():
        more = ("--set", f"equation={equation}", "--set", f"reference={DATA / file}", "--plot")
        weight = ("--set", "conditions_weight=100") if equation == "allen-cahn" else ()
        for way, words in ways.items():
            size = ("--set", f"points={asked.points}")
            rows, seconds = run(
                folder, f"{equation}-{way}", asked.core, *more, *weight, *size, *words
            )
            step, error = errors(rows)[-1]
            print(f"| {equation} | {way} | {step} | {error:.2e} | {seconds:.0f} |", flush=True)


def long(folder: Path, asked: argparse.Namespace) -> None:
    """The table of --long."""
    print("| equation | seed | relative L2 error | lowest on the way | processor seconds |")
    print("|---|---|---|---|---|")
    for equation, file in PROBLEMS.items():
        words = [
            "--set", f"equation={equation}", "--set", f"reference={DATA / file}", "--plot",
            "--precision", "fp64", *both(300, 400, ITERATIONS),
        ]  # fmt: skip
        for setting in ("blocks=8", "width=20", "points=10000"):
            words += ["--set", setting]
        if equation == "allen-cahn":
            words += ["--set", "conditions_weight=100"]
        for seed in range(1, asked.seeds + 1):
            name = f"long-{equation}-{seed}"
            rows, seconds = run(folder, name, asked.core, *words, "--seed", str(seed))
            found = [error for _, error in errors(rows)]
            told = f"{found[-1]:.2e} | {min(found):.2e} | {seconds:.0f}"
            print(f"| {equation} | {seed} | {told} |", flush=True)


def transfer(folder: Path, asked: argparse.Namespace) -> None:
    """The second table: steps to an error, warm and cold, by seed."""
    held = matlab.loadmat(DATA / PROBLEMS["burgers"])
    x, t = held["x"].ravel(), held["t"].ravel()
    gap = cole_hopf(x, t, PUBLISHED) - held["usol"]
    apart = float(np.linalg.norm(gap) / np.linalg.norm(held["usol"]))
    print(f"\nCole-Hopf integral against the published solution: {apart:.1e} relative L2")
    matlab.savemat(folder / "other.mat", {"x": x, "t": t, "usol": cole_hopf(x, t, OTHER)})
    first, steps = (20, 40) if asked.quick else (100, 300)
    words = (
        "--set", f"viscosity={OTHER}", "--set", "reference=other.mat", "--set",
        f"points={asked.points}", *both(first, steps, 2),
    )  # fmt: skip
    starts = {"cold": (), "warm": ("--start-from", "burgers-adamw+lbfgs")}
    print(f"\nSteps to a relative error of {BOUND}, viscosity {OTHER:.5f} from {PUBLISHED:.5f}:")
    print("\n| seed | cold | warm | saved |\n|---|---|---|---|")
    saved = []
    for seed in range(1, asked.seeds + 1):
        taken = {}
        for name, start in starts.items():
            rows, _ = run(folder, f"{name}-{seed}", asked.core, *words, *start, "--seed", str(seed))
            below = [step for step, error in errors(rows) if error < BOUND]
            taken[name] = below[0] if below else len(rows)
        saved.append(1 - taken["warm"] / taken["cold"])
        print(f"| {seed} | {taken['cold']} | {taken['warm']} | {saved[-1]:.0%} |", flush=True)
    middle = float(np.mean(saved))
    if len(saved) > 1:
        half = stats.t.ppf(0.975, len(saved) - 1) * np.std(saved, ddof=1) / math.sqrt(len(saved))
        print(f"\nsaved {middle:.0%}, 95% interval {middle - half:.0%} to {middle + half:.0%}")


def main() -> None:
    """Run both parts and print their tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--points", type=int, default=6000)
    parser.add_argument("--quick", action="store_true", help="only see that all works")
    parser.add_argument("--long", action="store_true", help="float64, as far as it goes")
    parser.add_argument("--keep", type=Path, help="folder for the runs and their pictures")
    asked = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("the public data sets are not here: no folder ../shared/data")
    with tempfile.TemporaryDirectory() as made:
        folder = asked.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if asked.long:
            long(folder, asked)
        else:
            published(folder, asked)
            transfer(folder, asked)


if __name__ == "__main__":
    main()
