"""The controlled learning rate (--schedule pi) beside a cosine whose peak was tuned.

    python tests/benchmarks/bench_schedules.py
    python tests/benchmarks/bench_schedules.py --steps 20 --seeds 2 --rates 1e-3

A small encoder reads a made-up genome (a Markov chain of order 5, whose rules must be learned) as
3-mers, by next-token modelling, always for the same number of steps. The peak of the cosine is
chosen on seeds of its own. The controller has its defaults and the default peak; those defaults
(action, gains, highest factor) were themselves chosen on single runs of a chain of this kind drawn
with another seed, so corpus and seeds here are others. Both are then trained with the same seeds.

Shown are held-out losses with Student's interval over the
seeds, that of the differences seed by seed, and how closely set points were held: the median ratio
of the second half over the set point, the share of its steps at a limit, and the range of rates.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats
from typer.testing import CliRunner

from sslkit.cli.commands import app

BASES, ORDER, RECORD = 600_000, 5, 6000
SHAPE = (
    "--set blocks=2 --set width=64 --set heads=2 --set dropout=0 --window 48 --batch-tokens 1536"
)
WORDS = f"pretrain --objective clm {SHAPE} --precision fp32 --threads 1 --device cpu --quiet"
#: Seeds that the cosine's peak is chosen on; the comparison takes those from _FIRST on.
TUNING = (101, 102)
_FIRST = 11


def corpus(folder: Path) -> None:
    """A Markov chain over the four bases, in records."""
    draws = np.random.default_rng(7)
    steps = draws.dirichlet([0.25] * 4, 4**ORDER).cumsum(1)
    chance, state, letters = draws.random(BASES), 0, np.empty(BASES, np.uint8)
    for place in range(BASES):
        base = min(int((chance[place] > steps[state]).sum()), 3)
        letters[place] = base
        state = (state * 4 + base) % 4**ORDER
    text = np.frombuffer(b"ACGT", np.uint8)[letters].tobytes().decode()
    folder.mkdir()
    records = (text[at : at + RECORD] for at in range(0, BASES, RECORD))
    (folder / "genome.fa").write_text("".join(f">r{n}\n{r}\n" for n, r in enumerate(records)))


def call(words: str) -> None:
    """One command, within this process."""
    done = CliRunner().invoke(app, words.split())
    if done.exit_code:
        raise SystemExit(done.output)


def trained(steps: int, seed: int, words: str) -> list[dict[str, float]]:
    """The rows of a run's metrics."""
    call(f"{WORDS} --steps {steps} --seed {seed} {words} --out run --force")
    return [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]


def interval(values: np.ndarray) -> str:
    """Mean and the half width of its 95% interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.4f} ± {half:.4f}"


def held(rows: list[dict[str, float]]) -> list[str]:
    """How closely the set point was held in the second half of a run."""
    late = rows[len(rows) // 2 :]
    off = [row["ratio"] / row["set_point"] for row in late]
    rates = [row["learning_rate"] for row in late]
    limited = float(np.mean([row["saturated"] for row in late]))
    median, low, high = (float(q) for q in np.quantile(off, (0.5, 0.25, 0.75)))
    return [
        f"{late[-1]['set_point']:.3f}", f"{median:.2f} ({low:.2f} to {high:.2f})",
        f"{limited:.0%}", f"{min(rates):.1e} to {max(rates):.1e}",
    ]  # fmt: skip


def main() -> None:
    """Tune, compare, show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3, 1e-2, 3e-2])
    parser.add_argument("--targets", type=float, nargs="+", default=[0.25, 0.3])
    asked = parser.parse_args()
    os.chdir(tempfile.mkdtemp())
    corpus(Path("corpus"))
    call("build-vocab corpus --k 3 --set stride=3 --quiet")
    found: dict[str, list[list[dict[str, float]]]] = {}
    tuned = {}
    for rate in asked.rates:
        runs = [trained(asked.steps, seed, f"--learning-rate {rate}") for seed in TUNING]
        tuned[rate] = float(np.mean([rows[-1]["heldout_loss"] for rows in runs]))
        print(f"cosine, peak {rate:g}: {tuned[rate]:.4f} on the seeds for tuning", flush=True)
    best = min(tuned, key=lambda rate: tuned[rate])
    sides = {
        f"cosine, peak {best:g}": f"--learning-rate {best}",
        "pi": "--schedule pi",
        "pi, falling at the end": "--schedule pi --set pi.decay=0.2",
    }
    for name, words in sides.items():
        found[name] = [
            trained(asked.steps, seed, words) for seed in range(_FIRST, _FIRST + asked.seeds)
        ]
    losses = {n: np.array([rows[-1]["heldout_loss"] for rows in r]) for n, r in found.items()}
    base = next(iter(losses.values()))
    print(f"\nHeld-out loss in nats after {asked.steps} steps, {asked.seeds} seeds\n")
    print("| | loss | less the cosine's |\n|---|---|---|")
    for name, values in losses.items():
        print(f"| {name} | {interval(values)} | {interval(values - base)} |")
    print("\n| | set point | ratio over it | at a limit | rates |\n|---|---|---|---|---|")
    shown = [("pi, its own", found["pi"][0])]
    for target in asked.targets:
        words = f"--schedule pi --set pi.target={target}"
        shown.append((f"pi, given {target:g}", trained(asked.steps, _FIRST, words)))
    for name, rows in shown:
        print(f"| {name} | {' | '.join(held(rows))} |")


if __name__ == "__main__":
    main()
