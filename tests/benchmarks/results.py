"""What pretraining is worth on public promoter sets: the table of RESULTS.md.

    make results                       # everything, in results/ (an hour and more on 2 cores)
    python tests/benchmarks/results.py --only uci106

Every run is an ordinary command of sslkit and is kept: started again, it goes on where it was.
E. coli sets use an encoder pretrained on the E. coli K-12 genome, human sets one pretrained on
mammalian promoter regions: the training parts of the sets, without labels and without any test or
validation record. Five seeds each; where a set has no split of its own the seed also draws the
split (uci106: five folds, so that every record is tested once).
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

import promoter_sets

from sslkit.probes import intervals

SEEDS = (1, 2, 3, 4, 5)
METRICS = ("auc", "mcc")
DATA = Path(__file__).parents[3] / "shared" / "data"
ECOLI = "genomes/bacteria/E.Coli/MG1655-K12.fasta.gz"
PRETRAINING = ["--batch-tokens", "4096"]


@dataclass(frozen=True)
class PromoterSet:
    """A set, and the corpus that its encoder is pretrained on."""

    name: str
    corpus: str


SETS = (
    PromoterSet("cnnprom_ecoli", "ecoli"),
    PromoterSet("uci106", "ecoli"),
    PromoterSet("prom_300_tata", "mammal"),
    PromoterSet("prom_core_tata", "mammal"),
)
#: Tokens of a window and steps, for about 15 CPU minutes of pretraining.
CORPORA = {"ecoli": ("64", "1500"), "mammal": ("96", "1000")}


def sslkit(folder: Path, *words: str) -> str:
    """Run a command on one processor; its stdout."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sslkit", *words, "--threads", "1", "--json", "-q"]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def pretrain(out: Path, corpus: str) -> None:
    """Count tokens and pretrain on one corpus."""
    folder = out / corpus
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    if corpus == "ecoli":
        (folder / "corpus" / Path(ECOLI).name).write_bytes((DATA / ECOLI).read_bytes())
    else:
        write_mammal(out, folder / "corpus" / "mammal.fa")
    window, steps = CORPORA[corpus]
    sslkit(folder, "build-vocab", "corpus/")
    print(sslkit(folder, "pretrain", "--window", window, "--steps", steps, *PRETRAINING), end="")


def write_mammal(out: Path, path: Path) -> None:
    """Unlabelled mammalian sequences, none of them in a test or validation part."""
    sets = out / "sets"
    hidden = {
        row["sequence"]
        for name in promoter_sets.GUE
        for part in ("dev", "test")
        for row in read(sets / name / f"{part}.csv")
    }
    rows = [
        *read(sets / "prom_300_tata" / "train.csv"),
        *read(sets / "cnnprom_mouse" / "train.csv"),
    ]
    kept = dict.fromkeys(r["sequence"].upper() for r in rows if r["sequence"] not in hidden)
    path.write_text("".join(f">{n}\n{sequence}\n" for n, sequence in enumerate(kept, 1)))


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def write_folds(folder: Path) -> None:
    """Five folds with both classes in equal shares; ``fold-N.csv`` and ``rest-N.csv``."""
    rows = read(folder / "train.csv")
    random.Random(0).shuffle(rows)
    rows.sort(key=lambda row: row["label"])
    for seed in SEEDS:
        fold = [row for n, row in enumerate(rows) if n % len(SEEDS) == seed - 1]
        rest = [row for n, row in enumerate(rows) if n % len(SEEDS) != seed - 1]
        for name, part in (("fold", fold), ("rest", rest)):
            lines = ((r["id"], r["sequence"], r["label"]) for r in part)
            promoter_sets.write(folder / f"{name}-{seed}.csv", lines)


def files(sets: Path, name: str, seed: int) -> list[str]:
    """The options that name a set's files."""
    folder = (sets / name).resolve()
    if (folder / f"fold-{seed}.csv").is_file():
        return ["--labels", f"{folder}/rest-{seed}.csv", "--test", f"{folder}/fold-{seed}.csv"]
    given = ["--labels", f"{folder}/train.csv"]
    if (folder / "dev.csv").is_file():
        given += ["--valid", f"{folder}/dev.csv", "--test", f"{folder}/test.csv"]
    return given


def measure(out: Path, one: PromoterSet, seed: int) -> dict[str, dict[str, float]]:
    """All models of one set and seed: metric by name, by model."""
    folder = out / one.corpus
    given = ["--task", "promoter", *files(out / "sets", one.name, seed), "--seed", str(seed)]
    found: dict[str, dict[str, float]] = {}
    for name, extra in (("fine-tuned", []), ("from scratch", ["--from-scratch"])):
        place = f"{one.name}/{name.replace(' ', '-')}-{seed}"
        held = json.loads(sslkit(folder, "finetune", *given, *extra, "-o", place))
        found[name] = {metric: held["metrics"][metric]["value"] for metric in METRICS}
    held = json.loads(sslkit(folder, "probe", *given, "-o", f"{one.name}/probe-{seed}"))
    for model in held["models"]:
        found[model["name"]] = {metric: model["metrics"][metric]["value"] for metric in METRICS}
    print(f"{one.name} seed {seed}: " + ", ".join(f"{n} {v['auc']:.3f}" for n, v in found.items()))
    return found


def cell(values: Sequence[float], sign: str = "") -> str:
    """Mean over seeds with its 95% interval."""
    held = intervals.over_seeds(values)
    return f"{held.value:{sign}.3f} [{held.low:{sign}.3f}, {held.high:{sign}.3f}]"


def table(found: dict[str, list[dict[str, dict[str, float]]]]) -> Iterable[str]:
    """The rows of RESULTS.md."""
    yield "| set | model | AUC [95%] | MCC [95%] |"
    yield "|---|---|---|---|"
    for one in SETS:
        runs = found.get(one.name, [])
        for model in runs[0] if runs else ():
            cells = (cell([run[model][metric] for run in runs]) for metric in METRICS)
            yield f"| {one.name} | {model} | {' | '.join(cells)} |"
        for other in ("from scratch", "composition logistic", "places logistic") if runs else ():
            gains = (
                cell([run["fine-tuned"][m] - run[other][m] for run in runs], "+") for m in METRICS
            )
            yield f"| {one.name} | fine-tuned less {other} | {' | '.join(gains)} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--only", choices=[one.name for one in SETS])
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"the public data sets are not at {DATA}")
    chosen = [one for one in SETS if options.only in (None, one.name)]
    promoter_sets.write_all(DATA, options.out / "sets")
    write_folds(options.out / "sets" / "uci106")
    with ThreadPoolExecutor(2) as pool:
        corpora = sorted({one.corpus for one in chosen})
        list(pool.map(lambda corpus: pretrain(options.out, corpus), corpora))
        jobs = [(one, seed) for one in chosen for seed in SEEDS]
        done = list(pool.map(lambda job: measure(options.out, *job), jobs))
    found: dict[str, list[dict[str, dict[str, float]]]] = {}
    for (one, _), models in zip(jobs, done, strict=True):
        found.setdefault(one.name, []).append(models)
    print("\n".join(table(found)))
    (options.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
