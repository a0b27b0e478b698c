"""What pretraining on molecules is worth with few labels: the table of molecules in RESULTS.md.

    make results-molecule                                  # in results-molecule/ (an hour, 2 cores)
    python tests/benchmarks/results_molecule.py --quick    # some minutes, to see that all works

Encoders of SMILES and of graphs are pretrained on Tox21 without labels and a part of QM9; no
molecule of the three sets is among them. Their pooled states are embedded once, and a linear
probe learns from 50, 200 and 800 labels of ESOL, FreeSolv (root mean squared error) and BBBP
(area under the curve). Beside it stand the same encoder untrained, a random forest on Morgan
fingerprints and a ridge or logistic regression on all descriptors of RDKit.

A fifth of a set is tested, whole scaffolds of it, drawn anew for each of five splits; the means and
95% intervals are over splits, of values that are means over three pretrained encoders. Splits draw
from one set, so that the intervals are of how a split falls and not of other molecules. Every
command is kept: started again, it goes on where it was.
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from results import DATA, cell, sslkit
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from sslkit.console import Progress
from sslkit.domains import molecule
from sslkit.engine import assemble
from sslkit.engine.runtime import Runtime
from sslkit.inference import features
from sslkit.inference.windows import BATCH_TOKENS
from sslkit.probes import linear, metrics
from sslkit.probes.training import Training
from sslkit.types import Record

SEEDS, SPLITS = (1, 2, 3), range(1, 6)
MOLECULES = DATA / "molecules"
FEW = (50, 200, 800)
TESTED = 0.2
#: Molecules of QM9, which are small, beside all of Tox21.
FROM_QM9 = 6000
STEPS, QUICK_STEPS = 800, 60
#: Encoders by name: what they read, and what they learn.
FORMS = {
    "SMILES": ["--set", "form=smiles", "--model", "transformer", "--set", "heads=4"],
    "graph": ["--set", "form=graph", "--model", "mpnn"],
}
#: What they learn. Properties are predicted well soon: without a weight hidden tokens decide.
OBJECTIVES = {
    "mlm": [],
    "contrastive": [],
    "mlm+properties": ["--set", "properties.weight=10"],
}
SHAPE = ["--set", "blocks=4", "--set", "width=128", "--window", "128", "--batch-tokens", "2560"]
TREES = 300
Values = dict[tuple[str, int], list[float]]
Predict = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """A set: SMILES as RDKit writes them, families, labels, and features that need no encoder."""

    name: str
    smiles: list[str]
    family: np.ndarray
    values: np.ndarray
    fingerprints: np.ndarray
    descriptors: np.ndarray

    @property
    def classes(self) -> int:
        """Of the labels; 0 for a number."""
        return 2 if self.name == "BBBP" else 0

    @property
    def metric(self) -> str:
        """What it is judged by."""
        return "auc" if self.classes else "rmse"


def read_set(name: str, file: str, column: str) -> Labelled:
    """One of the sets; what RDKit refuses is left out."""
    domain = molecule.Domain(molecule.Settings())
    with (MOLECULES / "moleculenet" / file).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    records = [domain.record(str(n), row["smiles"], file, n) for n, row in enumerate(rows, 1)]
    good = [(record, row) for record, row in zip(records, rows, strict=True) if not record.error]
    known = domain.features([domain.encode(record) for record, _ in good])
    family = [domain.family(record) for record, _ in good]
    return Labelled(
        name,
        [written(record) for record, _ in good],
        np.unique(family, return_inverse=True)[1],
        np.array([float(row[column]) for _, row in good]),
        known["fingerprint"].astype(np.float64),
        known["descriptors"].astype(np.float64),
    )


def written(record: Record) -> str:
    """The canonical SMILES of a record that was read."""
    return str(record.payload.smiles)


def write_corpus(out: Path, sets: Sequence[Labelled]) -> None:
    """``corpus.smi``: unlabelled molecules, none of them in one of the sets."""
    domain = molecule.Domain(molecule.Settings())
    hidden = {
        domain.signature(domain.record("", smiles, "", 1)) for s in sets for smiles in s.smiles
    }
    texts = []
    for file in ("moleculenet/tox21.csv", "qm9_smiles_selfies/qm9.csv"):
        with (MOLECULES / file).open(newline="") as stream:
            found = [row["smiles"] for row in csv.DictReader(stream)]
        texts += random.Random(1).sample(found, FROM_QM9) if "qm9" in file else found
    kept = {}
    for text in texts:
        record = domain.record("", text, "corpus", 1)
        if not record.error and (key := domain.signature(record)) not in hidden:
            kept[key] = written(record)
    (out / "corpus.smi").write_text("".join(f"{smiles}\n" for smiles in kept.values()))


def pretrain(out: Path, form: str, objective: str, seed: int, steps: int) -> Path:
    """One encoder, and the embeddings of all sets; its folder."""
    folder = out / f"{form}-{objective}-{seed}".lower()
    words = ["--objective", objective, *OBJECTIVES[objective]]
    # Two views of every molecule are made and read.
    steps = steps // 2 if objective == "contrastive" else steps
    sslkit(
        out, "pretrain", "corpus.smi", "--vocab", "vocab.parquet", *FORMS[form], *SHAPE, *words,
        "--steps", str(steps), "--seed", str(seed), "-o", folder.name,
    )  # fmt: skip
    return folder


def embedded(folder: Path, held: Labelled, seed: int, *, trained: bool) -> np.ndarray:
    """The vectors of a set as ``sslkit probe`` takes them, [molecules, width]."""
    parts = assemble.from_checkpoint(folder)
    encoder = parts.encoder if trained else assemble.untrained(parts, seed)
    asked = {"pooling": "mean", "layer": -1, "window": None, "batch_tokens": BATCH_TOKENS}
    plan = features.plan_of(asked, parts.context, encoder.depth)
    records = (parts.domain.record("", smiles, held.name, 1) for smiles in held.smiles)
    units = [parts.domain.encode(record) for record in records]
    runtime = Runtime(torch.device("cpu"), "fp32", 1)
    silent = Progress("embed", None, "records")
    return features.embedded(encoder, parts.domain, units, plan, runtime, silent)


def divide(held: Labelled, few: int, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Who is learned from and who is tested: whole families in no more than a fifth."""
    drawn = np.random.default_rng(split)
    sizes = np.bincount(held.family)
    tested = np.zeros(len(sizes), bool)
    count = 0
    for family in drawn.permutation(len(sizes)):
        if count + sizes[family] <= TESTED * len(held.values):
            tested[family] = True
            count += sizes[family]
    test = tested[held.family]
    return drawn.permutation(np.flatnonzero(~test))[:few], np.flatnonzero(test)


def judge(held: Labelled, predict: Predict, few: int, split: int) -> float:
    """The metric on the tested part of a split."""
    train, test = divide(held, few, split)
    answer = predict(train, test, split)
    name = held.metric
    return float(metrics.compute([name], held.values[test], answer)[name][0])


def probe(
    held: Labelled, features: np.ndarray, train: np.ndarray, test: np.ndarray, split: int
) -> np.ndarray:
    """A linear probe, as ``sslkit probe`` has it.

    No feature of a tested molecule counts as further out than those that were learned from: a
    count that one of them has by chance would decide all, among descriptors above all.
    """
    low, high = features[train].min(0), features[train].max(0)
    values = held.values[train].astype(np.int64) if held.classes else held.values[train]
    known = Training(features[train], values, train, held.classes, split)
    return linear.answer(known, features[test].clip(low, high)).predicted


def forest(held: Labelled, train: np.ndarray, test: np.ndarray, split: int) -> np.ndarray:
    """A random forest on Morgan fingerprints."""
    known, asked = held.fingerprints[train], held.fingerprints[test]
    if held.classes:
        model = RandomForestClassifier(TREES, random_state=split).fit(known, held.values[train])
        return np.asarray(model.predict_proba(asked))
    model = RandomForestRegressor(TREES, random_state=split).fit(known, held.values[train])
    return np.asarray(model.predict(asked))


def over_splits(held: Labelled, predict: Predict) -> dict[int, list[float]]:
    """The metric for each number of labels and split."""
    return {few: [judge(held, predict, few, split) for split in SPLITS] for few in FEW}


def measure(
    held: Labelled, models: dict[str, list[tuple[Path, int, bool]]]
) -> dict[str, dict[int, list[float]]]:
    """Values over splits by model: baselines first; of encoders the means over seeds.

    Args:
        models: folder, seed and whether it is the trained encoder, of each by name.
    """
    found = {
        "Morgan fingerprint, random forest": over_splits(held, partial(forest, held)),
        "descriptors, linear": over_splits(held, partial(probe, held, held.descriptors)),
    }
    for name, folders in models.items():
        each = [
            over_splits(held, partial(probe, held, embedded(folder, held, seed, trained=trained)))
            for folder, seed, trained in folders
        ]
        found[name] = {
            few: np.mean([values[few] for values in each], axis=0).tolist() for few in FEW
        }
    return found


def rows(found: dict[str, dict[str, dict[int, list[float]]]]) -> Iterable[str]:
    """The rows of RESULTS.md: values, and differences from both baselines."""
    yield f"| set | model | {' | '.join(f'{few} labels [95%]' for few in FEW)} |"
    yield "|---" * (2 + len(FEW)) + "|"
    for name, models in found.items():
        for model, values in models.items():
            yield f"| {name} | {model} | {' | '.join(cell(values[few]) for few in FEW)} |"
        baselines = list(models)[:2]
        for model in list(models)[2:]:
            for baseline in baselines:
                less = [
                    [a - b for a, b in zip(models[model][few], models[baseline][few], strict=True)]
                    for few in FEW
                ]
                cells = " | ".join(cell(each, "+") for each in less)
                yield f"| {name} | {model} less {baseline.partition(',')[0]} | {cells} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("results-molecule"))
    parser.add_argument("--quick", action="store_true", help="one seed, 60 steps")
    parser.add_argument("--jobs", type=int, default=2, help="models that are trained at once")
    parser.add_argument(
        "--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES), help="some of them"
    )
    options = parser.parse_args()
    if not MOLECULES.is_dir():
        raise SystemExit(f"the public data sets are not at {MOLECULES}")
    steps, seeds = (QUICK_STEPS, SEEDS[:1]) if options.quick else (STEPS, SEEDS)
    out = (options.out / f"{steps}-steps").resolve()
    out.mkdir(parents=True, exist_ok=True)
    sets = [
        read_set("ESOL", "ESOL_delaney-processed.csv",
                 "measured log solubility in mols per litre"),
        read_set("FreeSolv", "FreeSolv_SAMPL.csv", "expt"),
        read_set("BBBP", "BBBP.csv", "p_np"),
    ]  # fmt: skip
    write_corpus(out, sets)
    sslkit(out, "build-vocab", "corpus.smi", "--domain", "molecule")
    jobs = [
        (form, objective, seed)
        for form in FORMS
        for objective in options.objectives
        for seed in seeds
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        folders = list(pool.map(lambda job: pretrain(out, *job, steps), jobs))
    models: dict[str, list[tuple[Path, int, bool]]] = {}
    for (form, objective, seed), folder in zip(jobs, folders, strict=True):
        if objective == options.objectives[0]:
            models.setdefault(f"{form}, untrained", []).append((folder, seed, False))
        models.setdefault(f"{form}, {objective}", []).append((folder, seed, True))
    found = {held.name: measure(held, models) for held in sets}
    print("\n".join(rows(found)))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
