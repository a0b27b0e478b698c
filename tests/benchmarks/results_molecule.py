"""What pretraining on molecules is worth: the table of molecules in RESULTS.md.

    make results-molecule              # everything, in results-molecule/ (an hour on 2 cores)
    python tests/benchmarks/results_molecule.py --only esol

One encoder for each of three seeds is pretrained on Tox21 and a sample of QM9, without any
molecule of the sets, stereoisomers included. SET is one of

    esol      solubility in water, a number      (R2, RMSE)
    freesolv  free energy of hydration, a number (R2, RMSE)
    bbbp      whether a molecule passes the blood-brain barrier (AUC)

A fifth of each set is tested, no scaffold of which is trained on; the seed draws it, and the 50,
200 and 800 molecules that are trained on. Every run is an ordinary command of sslkit and is kept:
started again, it goes on where it was. The random forest is scikit-learn's, on the same
fingerprints as the probe's.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from results import DATA, cell, sslkit
from sklearn import ensemble

from sslkit.data import splits
from sslkit.domains import molecule
from sslkit.probes import metrics
from sslkit.types import Array, Record

SEEDS = (1, 2, 3)
MOLECULES = DATA / "molecules"
TOX21, QM9 = "moleculenet/tox21.csv", "qm9_smiles_selfies/qm9.csv"
SAMPLE = 20_000
FEW = (50, 200, 800)
TEST_SHARE = 0.2
TRAINING = ["--window", "64", "--batch-tokens", "4096"]
SHAPE = ["--set", "blocks=4", "--set", "width=128", "--set", "heads=4"]
TREES = 500
DOMAIN = molecule.Domain(molecule.Settings())
Found = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Set:
    """A file of labelled molecules."""

    file: str
    label: str
    task: str
    metrics: tuple[str, ...]


SETS = {
    "esol": Set(
        "moleculenet/ESOL_delaney-processed.csv",
        "measured log solubility in mols per litre",
        "regression",
        ("r2", "rmse"),
    ),
    "freesolv": Set("moleculenet/FreeSolv_SAMPL.csv", "expt", "regression", ("r2", "rmse")),
    "bbbp": Set("moleculenet/BBBP.csv", "p_np", "classification", ("auc",)),
}


def rows(file: str) -> list[dict[str, str]]:
    """Rows of a set."""
    with (MOLECULES / file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def records(texts: Iterable[str]) -> list[Record]:
    """Molecules of SMILES; what RDKit refuses carries an error."""
    return [DOMAIN.record(str(n), text, "set", n) for n, text in enumerate(texts, 1)]


def write_corpus(out: Path) -> None:
    """Lines of SMILES, none of them of a molecule of a set."""
    hidden = {
        DOMAIN.signature(record)
        for one in SETS.values()
        for record in records(row["smiles"] for row in rows(one.file))
        if not record.error
    }
    small = [row["smiles"] for row in rows(QM9)]
    chosen = np.random.default_rng(0).permutation(len(small))[:SAMPLE]
    texts = [row["smiles"] for row in rows(TOX21)] + [small[n] for n in chosen]
    kept = {
        r.payload.smiles: None
        for r in records(texts)
        if not r.error and DOMAIN.signature(r) not in hidden
    }
    (out / "corpus.smi").write_text("".join(f"{smiles}\n" for smiles in kept))


def pretrain(out: Path, seed: int, steps: int) -> None:
    """One encoder; ``corpus.smi`` is written before."""
    folder = out / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    sslkit(folder, "build-vocab", "../corpus.smi")
    words = [*TRAINING, *SHAPE, "--steps", str(steps), "--seed", str(seed)]
    print(sslkit(folder, "pretrain", *words), end="", flush=True)


def divided(name: str, seed: int) -> tuple[list[Record], Array, Array, list[Array]]:
    """Molecules, labels, the tested ones, and growing parts of the others in random order."""
    one = SETS[name]
    read = rows(one.file)
    made = zip(records(row["smiles"] for row in read), read, strict=True)
    held = [(record, float(row[one.label])) for record, row in made if not record.error]
    values = np.array([value for _, value in held])
    families = splits.group_numbers([DOMAIN.family(record) for record, _ in held])
    strata = (
        values.astype(np.int64) if one.task == "classification" else splits.quantile_strata(values)
    )
    part = splits.divide(strata, families, [TEST_SHARE], seed)
    test, free = np.flatnonzero(part == 1), np.flatnonzero(part == 0)
    order = np.random.default_rng(seed).permutation(free)
    few = [order[:size] for size in FEW if size <= len(order)]
    return [record for record, _ in held], values, test, few


def forest(found: Sequence[Record], values: Array, train: Array, test: Array, one: Set) -> Array:
    """Predictions of a random forest on fingerprints: shares of both classes, or numbers."""
    units = [DOMAIN.encode(found[n]) for n in (*train, *test)]
    features = DOMAIN.features(units)["fingerprint"]
    kind = "Regressor" if one.task == "regression" else "Classifier"
    model = getattr(ensemble, f"RandomForest{kind}")(TREES, random_state=0, n_jobs=1)
    model.fit(features[: len(train)], values[train])
    rest = features[len(train) :]
    return np.asarray(model.predict(rest) if kind == "Regressor" else model.predict_proba(rest))


def measure(out: Path, name: str, seed: int) -> Found:
    """All metrics of all models, by set and number of labels."""
    one, folder = SETS[name], out / f"seed-{seed}"
    molecules, values, test, parts = divided(name, seed)
    found: Found = {}
    for train in parts:
        told: dict[str, list[float]] = {}
        table = folder / f"{name}-{len(train)}.csv"
        with table.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("id", "smiles", "label", "split"))
            for part, chosen in (("train", train), ("test", test)):
                for n in chosen:
                    label = values[n] if one.task == "regression" else int(values[n])
                    writer.writerow((n, molecules[n].payload.smiles, label, part))
        words = ["--task", one.task, "--labels", str(table), "--seed", str(seed)]
        probed = json.loads(sslkit(folder, "probe", *words, "-o", f"probed/{table.stem}"))
        for model in probed["models"]:
            told[model["name"]] = [model["metrics"][m]["value"] for m in one.metrics]
        tuned = json.loads(sslkit(folder, "finetune", *words, "-o", f"finetuned/{table.stem}"))[
            "metrics"
        ]
        told["fine-tuned"] = [tuned[m]["value"] for m in one.metrics]
        guessed = forest(molecules, values, train, test, one)
        truth = values[test] if one.task == "regression" else values[test].astype(np.int64)
        judged = metrics.compute(list(one.metrics), truth, guessed)
        told["fingerprint random forest"] = [float(judged[m][0]) for m in one.metrics]
        for model_name, numbers in told.items():
            for metric, value in zip(one.metrics, numbers, strict=True):
                found.setdefault(f"{name}, {len(train)} labels, {metric}", {})[model_name] = [value]
    return found


def lines(found: Found) -> Iterable[str]:
    """The rows of RESULTS.md: means over seeds with 95% intervals."""
    yield "| set | model | value [95%] |"
    yield "|---|---|---|"
    for name, models in found.items():
        for model, values in models.items():
            known = [value for value in values if value is not None]
            if known:
                yield f"| {name} | {model} | {cell(known)} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results-molecule"))
    parser.add_argument("--only", choices=SETS, metavar="SET")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    options = parser.parse_args()
    if not MOLECULES.is_dir():
        raise SystemExit(f"the public data sets are not at {MOLECULES}")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "corpus.smi").is_file():
        write_corpus(out)
    seeds = range(1, options.seeds + 1)
    jobs = [(n, seed) for n in SETS if options.only in (None, n) for seed in seeds]
    found: Found = {}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: pretrain(out, seed, options.steps), seeds))
        for told in pool.map(lambda job: measure(out, *job), jobs):
            for name, models in told.items():
                for model, values in models.items():
                    found.setdefault(name, {}).setdefault(model, []).extend(values)
    print("\n".join(lines(found)))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
