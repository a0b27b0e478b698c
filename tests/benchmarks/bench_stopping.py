"""What stopping by forecast saves and costs: E. coli promoters, several seeds; and scaling.png.

    python tests/benchmarks/bench_stopping.py --out stopping

A small transformer is pretrained on the genome of E. coli, a probe of promoters (cnnprom, a third
of the negative ones) is taken on the way; once with all steps, once with --stop-when-gain-below.
Compute is floating-point operations of training as the runs log them; scores are AUC of `sslkit
probe` on test records that no probe on the way has looked at. Means and Student's 95% intervals
over seeds, which differ in weights, order of data and division of the labels. Then the runs of
several widths, all steps, are drawn by `sslkit scaling`.

Runs that are finished in --out are not run again. About ten minutes of one processor.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import promoter_sets

from sslkit.probes import intervals

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared" / "data"
GENOME = "genomes/bacteria/E.Coli/MG1655-K12.fasta.gz"
WIDTHS = (16, 32, 64)
#: The width that is stopped.
STOPPED = 64


class Bench:
    """A folder with corpus and labels in which commands are run on one processor."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.folder: Path = asked.out

    def sslkit(self, *words: str) -> Any:
        """The result of a command."""
        command = [sys.executable, "-m", "sslkit", *words, "--json", "-q"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        return json.loads(done.stdout) if done.stdout else None

    def data(self) -> None:
        """Write corpus, labels and vocabulary."""
        promoters = self.asked.data / "promoters/cnnprom"
        rows = [
            *promoter_sets.rows_of_fasta(promoters / "Ecoli_prom.fa", "1"),
            *list(promoter_sets.rows_of_fasta(promoters / "Ecoli_non_prom.fa", "0"))[::3],
        ]
        promoter_sets.write(self.folder / "labels/promoter.csv", rows)
        corpus = self.folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        source = self.asked.data / GENOME
        (corpus / source.name).write_bytes(source.read_bytes())
        self.sslkit("build-vocab", "corpus", "--domain", "genome", "--k", "4", "--set", "stride=2")

    def labels(self) -> list[str]:
        """The words that name task and labels."""
        return ["--task", "promoter"]

    def pretrain(self, name: str, width: int, seed: int, *more: str) -> dict[str, Any]:
        """What a run reached."""
        steps = self.asked.steps
        schedule = ["--schedule", self.asked.schedule] if self.asked.schedule else []
        words = [
            "pretrain", "--set", f"width={width}", "--set", "blocks=3", "--set", "heads=2",
            "--window", "64", "--batch-tokens", "4096", "--steps", str(steps), "--seed", str(seed),
            "--threads", "1", "--precision", "fp32", "--probe-every", str(max(1, steps // 30)),
            *self.labels(), *schedule, *more, "-o", name,
        ]  # fmt: skip
        found: dict[str, Any] = self.sslkit(*words)
        print(f"{name}: step {found['step']}, {found['probe_auc']:.4f} on the way", flush=True)
        return found

    def tested(self, name: str, seed: int) -> float:
        """AUC of a run's features on the test records."""
        words = ["probe", *self.labels(), "--checkpoint", name, "--seed", str(seed), "--threads",
                 "1", "-o", f"{name}-probe"]  # fmt: skip
        models = {model["name"]: model for model in self.sslkit(*words)["models"]}
        return float(models["pretrained logistic"]["metrics"]["auc"]["value"])


def cell(values: Sequence[float], digits: int = 4, sign: str = "") -> str:
    """Mean and interval over seeds."""
    held = intervals.over_seeds(values)
    value, low, high = (f"{end:{sign}.{digits}f}" for end in (held.value, held.low, held.high))
    return f"{value} [{low}, {high}]"


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("stopping"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--below", default="0.01", help="AUC that a doubling must bring")
    parser.add_argument("--schedule", default="constant", help="of the rate; '' for the default")
    parser.add_argument("--data", type=Path, default=DATA, help="the public data sets")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--picture", type=Path, default=HERE / "scaling.png")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        raise SystemExit(f"the public data sets are not at {asked.data}")
    os.sched_setaffinity(0, {asked.core})
    bench = Bench(asked)
    bench.data()
    full, short, tested = [], [], []
    for seed in range(1, asked.seeds + 1):
        full.append(bench.pretrain(f"width-{STOPPED}-seed-{seed}", STOPPED, seed))
        stop = ("--stop-when-gain-below", asked.below)
        short.append(bench.pretrain(f"stopped-{seed}", STOPPED, seed, *stop))
        names = f"width-{STOPPED}-seed-{seed}", f"stopped-{seed}"
        tested.append([bench.tested(name, seed) for name in names])
    print(f"\n{asked.steps} steps, stopped below {asked.below} AUC for a doubling\n")
    print("| | all steps | stopped | difference |\n|---|---|---|---|")
    for what, one, other, digits in (
        ("FLOPs, 1e12", [r["flops"] / 1e12 for r in full], [r["flops"] / 1e12 for r in short], 2),
        ("steps", [r["step"] for r in full], [r["step"] for r in short], 0),
        ("test AUC", [t[0] for t in tested], [t[1] for t in tested], 4),
        *((name, [r[key] for r in full], [r[key] for r in short], 4)
          for name, key in (("AUC on the way", "probe_auc"), ("held-out loss", "heldout_loss"))),
    ):  # fmt: skip
        apart = [b - a for a, b in zip(one, other, strict=True)]
        cells = [cell(one, digits), cell(other, digits), cell(apart, digits, "+")]
        print(f"| {what} | {' | '.join(cells)} |")
    saved = [1 - b["flops"] / a["flops"] for a, b in zip(full, short, strict=True)]
    print(f"| compute saved | | {cell(saved, 2)} | |\n")
    sizes = [f"width-{width}-seed-1" for width in WIDTHS]
    for width, name in zip(WIDTHS, sizes, strict=True):
        bench.pretrain(name, width, 1)
    done = bench.sslkit("scaling", *sizes, "--plot", str(asked.picture.resolve()))
    for curve in done["curves"]:
        gain = curve["gain_of_doubling"]
        if gain:
            told = f"{gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
            print(f"{curve['curve']}, {curve['metric']}: twice the compute should bring {told}")


if __name__ == "__main__":
    main()
