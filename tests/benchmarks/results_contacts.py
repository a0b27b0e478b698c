"""Contacts of residues read from attention maps: the table of RESULTS.md.

    make results-contacts                                  # in results/contacts
    python tests/benchmarks/results_contacts.py --models factored    # under an hour
    python tests/benchmarks/results_contacts.py --quick    # few steps, no Potts model: minutes
    python tests/benchmarks/results_contacts.py --only 2   # one seed

Twelve families of ../shared/data/proteins/pfam_contacts. Masked models are pretrained on the
sequences of their alignments, at most ROWS of each family; no structure is seen. The transformer
reads them without their gaps; factored attention reads the rows as they are aligned, and its maps
are those of a family's columns, whichever sequence is shown. A regression over heads learns on
nine families and is judged on the other three, in four rounds; the mean over heads learns nothing.
Every run is an ordinary command of sslkit and is kept: started again, it goes on where it was.
The seed decides weights, batches, rounds, and which sequences are drawn; the Potts model, which
takes most of a probe, is fitted with the first seed only.

Columns: the mean over families with its 95% bootstrap interval, of values that are means over
seeds; and, where there are several, Student's 95% interval of the means over seeds.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.probes import contacts, intervals

SEEDS = (1, 2, 3)
DATA = Path(__file__).parents[3] / "shared" / "data" / "proteins" / "pfam_contacts"
#: Sequences of a family that are pretrained on: one family has half of all.
ROWS = 4000
QUICK_STEPS = 60


@dataclass(frozen=True)
class Model:
    """An encoder and how it is pretrained.

    Attributes:
        words: of the command besides those that all have.
        steps: about 20 CPU minutes.
        averaged: sequences of a family whose maps are averaged; 1 shows what one alone tells.
    """

    name: str
    words: str
    steps: int
    averaged: tuple[int, ...]

    def called(self, method: str, rows: int) -> str:
        """A method of a report as the table names it."""
        if not method.startswith("attention"):
            return method
        kind = "" if self.name == "transformer" else f"{self.name} "
        return f"{kind}{method}" + (f", {rows} sequences" if self.averaged[1:] else "")


MODELS = (
    Model(
        "transformer",
        "--set blocks=4 --set width=128 --set heads=4 --window 128 --batch-tokens 4096",
        2500,
        (1, 16),
    ),
    Model(
        "factored",
        "--set aligned=true --set value_width=16 --set mlm.rate=0.2 --window 144 "
        "--batch-tokens 65536 --micro-tokens 65536 --learning-rate 5e-3",
        2000,
        (1,),
    ),
)


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    out: Path
    models: Sequence[Model]
    quick: bool


def sslkit(folder: Path, *words: str) -> str:
    """Run a command on one processor; its stdout."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sslkit", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def write_inputs(out: Path) -> None:
    """``corpus/`` with the sequences of all families, and ``labels/contacts.csv``."""
    (out / "corpus").mkdir(parents=True, exist_ok=True)
    (out / "labels").mkdir(exist_ok=True)
    pairs = [line.split() for line in (DATA / "family_to_pdb.tsv").read_text().splitlines()]
    with (out / "labels" / "contacts.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "alignment", "structure", "chain"])
        for family, structure in pairs:
            path = (DATA / "alignments" / f"{family}.align.80").resolve()
            name = (DATA / "structures" / structure).resolve()
            table.writerow([family, path, name, Path(structure).stem.partition("_")[2]])
            records = path.read_text().split(">")[1:]
            kept = random.Random(family).sample(records, min(ROWS, len(records)))
            (out / "corpus" / f"{family}.afa").write_text("".join(f">{r}" for r in kept))


def measure(plan: Plan, seed: int) -> dict[str, Any]:
    """Methods of one seed as the reports have them, by name."""
    common = ["--threads", "1", "--seed", str(seed), "--json", "-q"]
    found: dict[str, Any] = {}
    for model in plan.models:
        run = f"{model.name}-{seed}"
        sslkit(
            plan.out, "pretrain", "--domain", "protein", "--objective", "mlm", "--model",
            model.name, "--steps", str(QUICK_STEPS if plan.quick else model.steps),
            *model.words.split(), *common, "-o", f"pretrained-{run}",
        )  # fmt: skip
        for rows in model.averaged:
            # It sees the alignments alone: once is enough.
            potts = not (plan.quick or found) and seed == SEEDS[0]
            held = json.loads(
                sslkit(
                    plan.out, "probe", "--task", "contacts", "--folds", "4", "--set",
                    f"rows={rows}", "--set", f"potts={str(potts).lower()}", *common,
                    "--checkpoint", f"pretrained-{run}", "--plot", f"contacts-{run}-{rows}.png",
                    "-o", f"probed-{run}-{rows}",
                )
            )  # fmt: skip
            for method in held["models"]:
                found.setdefault(model.called(method["name"], rows), method["families"])
    print(f"seed {seed} is done", flush=True)
    return found


def of_families(runs: Sequence[dict[str, Any]], metric: str) -> list[float]:
    """A value for each family, the mean over seeds."""
    return [sum(run[name][metric] for run in runs) / len(runs) for name in runs[0]]


def table(found: Sequence[dict[str, Any]]) -> Iterable[str]:
    """The rows of RESULTS.md: methods, then what the best attention is above each."""
    names = contacts.names()
    yield f"| method | {' | '.join(f'{name} [95%]' for name in names)} | {names[-1]} over seeds |"
    yield "|---" * (len(names) + 2) + "|"
    methods = list(dict.fromkeys(name for run in found for name in run))
    by_method = {method: [run[method] for run in found if method in run] for method in methods}
    for method, runs in by_method.items():
        cells = [cell(contacts.over_families(of_families(runs, n), 1)) for n in names]
        means = [sum(of_families([run], names[-1])) / len(run) for run in runs]
        spread = cell(intervals.over_seeds(means)) if len(set(means)) > 1 else "-"
        yield f"| {method} | {' | '.join(cells)} | {spread} |"
    for judged in (m for m in methods if "attention, pretrained" in m):
        for other in (m for m in methods if "attention, pretrained" not in m):
            cells = []
            for name in names:
                first, second = (of_families(by_method[m], name) for m in (judged, other))
                gains = [a - b for a, b in zip(first, second, strict=True)]
                cells.append(cell(contacts.over_families(gains, 1, signed=True), "+"))
            yield f"| {judged} less {other} | {' | '.join(cells)} | - |"


def cell(held: intervals.Interval, sign: str = "") -> str:
    """A value with its interval."""
    return f"{held.value:{sign}.3f} [{held.low:{sign}.3f}, {held.high:{sign}.3f}]"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/contacts"))
    parser.add_argument("--only", type=int, choices=SEEDS, help="one seed")
    known = {model.name: model for model in MODELS}
    parser.add_argument("--models", nargs="+", choices=known, default=list(known))
    parser.add_argument("--quick", action="store_true", help="few steps, and no Potts model")
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"the public data sets are not at {DATA}")
    out = options.out / "quick" if options.quick else options.out
    plan = Plan(out, [known[name] for name in options.models], options.quick)
    write_inputs(out)
    sslkit(out, "build-vocab", "--domain", "protein", "corpus/", "--json", "-q")
    seeds = [seed for seed in SEEDS if options.only in (None, seed)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seed: measure(plan, seed), seeds))
    print("\n".join(table(found)))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
