"""What pretraining on proteins is worth: the table of proteins in RESULTS.md.

    make results-protein               # everything, in results-protein/ (an hour on 2 cores)
    python tests/benchmarks/results_protein.py --only blat

Encoders are pretrained on the chains of known structures (FLIP, its test part left out), one for
each of three seeds. PART is one of

    location  compartments of DeepLoc's proteins: a probe; families stand on one side of a split
    blat      variants of beta-lactamase TEM-1, without labels
    gfp       variants of green fluorescent protein, without labels, and with 100 and 400
    gb1       variants of GB1, without labels, and with those of the splits of FLIP
    structure helix, strand or coil for each residue, on FLIP's split: a probe of tokens, and
              fine-tuning on a few hundred chains

Spearman's correlation is the metric but for location and structure, where it is the accuracy: of
all residues of all test chains that are not masked, Q3. Every run is an ordinary command of sslkit
and is kept: started again, it goes on where it was.
"""

import argparse
import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from protein_sets import PROTEINS, Found, archive, probe, titled, write
from protein_structure import structure, write_structure
from results import cell, sslkit
from scipy import sparse, stats

from sslkit.domains.biology.substitution import BLOSUM62, RESIDUES

SEEDS = (1, 2, 3)
#: About 10 CPU minutes for each seed.
TRAINING = [
    *("--window", "128", "--steps", "3000", "--batch-tokens", "4096"),
    *("--learning-rate", "3e-3", "--set", "mlm.rate=0.15"),
]
#: Taps reach 42 residues to each side. A transformer of this width learns little of what stands
#: near by from so few residues.
SHAPE = [
    *("--model", "conv", "--set", "blocks=6", "--set", "width=128"),
    *("--set", "kernel=7", "--set", "cycle=3"),
]
FEW = (100, 400)
#: Variants of GFP that are scored, and those that probes are tested on.
SCORED, TESTED = 5000, 1000
#: GB1 itself stands first; what follows is the same for all variants.
GB1 = 56
SPLITS = ("one_vs_rest", "two_vs_rest", "three_vs_rest", "low_vs_high", "sampled")
#: Two proteins are of one family where they share such a part of the shorter one's words.
WORD, SHARED = 5, 0.05


def pretrain(out: Path, seed: int) -> None:
    """One encoder; ``chains.fasta`` is written before."""
    folder = out / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    sslkit(folder, "build-vocab", "../chains.fasta", "--domain", "protein")
    print(sslkit(folder, "pretrain", *TRAINING, *SHAPE, "--seed", str(seed)), end="", flush=True)


def write_chains(out: Path) -> None:
    """The corpus: chains of known structures that are in no test part."""
    parts = {name: title for name, (title, _) in titled(
        archive("flip_secondary_structure", "sampled.fasta")).items()}  # fmt: skip
    held = titled(archive("flip_secondary_structure", "sequences.fasta"))
    kept = {n: letters for n, (_, letters) in held.items() if "SET=test" not in parts[n]}
    text = "".join(f">{name}\n{letters}\n" for name, letters in kept.items())
    (out / "chains.fasta").write_text(text)


def families(sequences: Sequence[str]) -> np.ndarray:
    """A number for each protein, the same for those that are linked by shared words."""
    words = [np.unique([hash_of(s[at : at + WORD]) for at in range(len(s) - WORD + 1)])
             for s in sequences]  # fmt: skip
    row = np.repeat(np.arange(len(words)), [len(w) for w in words])
    column = np.unique(np.concatenate(words), return_inverse=True)[1]
    has = sparse.csr_matrix((np.ones(len(row), np.int32), (row, column)))
    common = (has @ has.T).tocoo()
    size = np.array([len(w) for w in words])
    linked = common.data >= SHARED * np.minimum(size[common.row], size[common.col])
    graph = sparse.coo_matrix((common.data[linked], (common.row[linked], common.col[linked])),
                              common.shape)  # fmt: skip
    return sparse.csgraph.connected_components(graph, directed=False)[1]


def hash_of(word: str) -> int:
    """The number of a word of residues, each two of them another one."""
    return int.from_bytes(word.encode(), "big")


def location(out: Path, seed: int) -> dict[str, Found]:
    """Compartments: a fifth of the families is tested."""
    held = titled((PROTEINS / "deeploc/deeploc_our_val_set.fasta").read_text())
    rows = [(n, s, t.rpartition("-")[0]) for n, (t, s) in held.items()]
    # What is in two compartments has no label of ten.
    rows = [row for row in rows if row[2] != "Cytoplasm-Nucleus"]
    family = families([row[1] for row in rows])
    tested = np.random.default_rng(seed).random(family.max() + 1) < 0.2
    labelled = [(*row, "test" if tested[f] else "train") for row, f in zip(rows, family,
                                                                         strict=True)]  # fmt: skip
    path = write(out / f"location-{seed}.csv", ("id", "sequence", "label", "split"), labelled)
    found = probe(out, seed, "classification", "accuracy", "location", "--labels", str(path))
    return {f"location of {len(rows)} proteins, {family.max() + 1} families": found}


def substitutions(wild: str, variant: str) -> list[tuple[str, str]]:
    """Residues that differ."""
    return [(a, b) for a, b in zip(wild, variant, strict=True) if a != b]


def blosum(wild: str, variant: str) -> float:
    """The score of its substitutions less that of none."""
    at = RESIDUES.index
    pairs = substitutions(wild, variant)
    return float(sum(BLOSUM62[at(a), at(b)] - BLOSUM62[at(a), at(a)] for a, b in pairs))


def unlabelled(
    out: Path, seed: int, name: str, wild: str, variants: Sequence[tuple[str, float]]
) -> Found:
    """Spearman's correlation of scores with what was measured, of the model and of baselines."""
    folder = out / f"seed-{seed}"
    table = write(out / f"{name}-{seed}.csv", ("sequence", "label"), variants)
    (folder / f"{name}.fasta").write_text(f">wild\n{wild}\n")
    words = ["--wild-type", f"{name}.fasta", "--marginal", "-o", f"{name}.parquet"]
    sslkit(folder, "score", str(table), *words)
    delta = pq.read_table(folder / f"{name}.parquet")["delta"].to_numpy()
    counted = pq.read_table(folder / "vocab.parquet").to_pydict()
    share = dict(zip(counted["token"], np.log(counted["count"]), strict=True))
    pairs = [substitutions(wild, variant) for variant, _ in variants]
    scores = {
        "fewer substitutions": [-len(each) for each in pairs],
        "residue shares": [sum(share[b] - share[a] for a, b in each) for each in pairs],
        "BLOSUM62": [blosum(wild, variant) for variant, _ in variants],
        "pretrained, without labels": delta,
    }
    truth = [label for _, label in variants]
    # Where all have as many substitutions their number ranks nothing.
    return {
        model: [float(stats.spearmanr(values, truth).statistic)]
        for model, values in scores.items()
        if len(set(values)) > 1
    }


def wild_types(path: Path) -> dict[str, str]:
    """Letters by name."""
    return {name: letters for name, (_, letters) in titled(path.read_text()).items()}


def blat(out: Path, seed: int) -> dict[str, Found]:
    """Single substitutions of TEM-1."""
    (wild,) = wild_types(PROTEINS / "dms_blat/wt.fasta").values()
    with (PROTEINS / "dms_blat/data.csv").open(newline="") as stream:
        rows = [(row["seq"], float(row["log_fitness"])) for row in csv.DictReader(stream)]
    return {f"blat, {len(rows)} single variants": unlabelled(out, seed, "blat", wild, rows)}


def gfp(out: Path, seed: int) -> dict[str, Found]:
    """Variants of GFP with up to 15 substitutions; a stop is none."""
    wild = wild_types(PROTEINS / "dms_nn4dms/wild_types.fasta")["avgfp"]
    variants = []
    with (PROTEINS / "dms_nn4dms/avgfp.tsv").open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if "*" not in row["variant"]:
                variants.append((mutated(wild, row["variant"]), float(row["score"])))
    order = np.random.default_rng(seed).permutation(len(variants))
    chosen = [variants[n] for n in order[:SCORED]]
    found = {f"gfp, {SCORED} variants": unlabelled(out, seed, "gfp", wild, chosen)}
    test = write(out / f"gfp-test-{seed}.csv", ("sequence", "label"), chosen[:TESTED])
    for few in FEW:
        train = write(out / f"gfp-{few}-{seed}.csv", ("sequence", "label"),
                      [variants[n] for n in order[SCORED : SCORED + few]])  # fmt: skip
        words = ("--labels", str(train), "--test", str(test), "--window", "128")
        name = f"gfp, {few} labels"
        found[name] = probe(out, seed, "regression", "spearman", f"gfp-{few}", *words)
    return found


def mutated(wild: str, names: str) -> str:
    """The wild type with substitutions such as ``A108D,N144D``, numbered from 0."""
    letters = list(wild)
    for name in names.split(","):
        assert letters[int(name[1:-1])] == name[0], f"{name} is not of this wild type"
        letters[int(name[1:-1])] = name[-1]
    return "".join(letters)


def gb1(out: Path, seed: int) -> dict[str, Found]:
    """The splits of FLIP; at four sites everything was tried."""
    found: dict[str, Found] = {}
    for split in SPLITS:
        rows = list(csv.DictReader(io.StringIO(archive("flip_gb1", f"{split}.csv"))))
        # The wild type is the first of them.
        wild = rows[0]["sequence"][:GB1]
        cut = [(row["sequence"][:GB1], row["target"], row["set"]) for row in rows]
        path = write(out / f"gb1-{split}-{seed}.csv", ("sequence", "label", "split"), cut)
        if split == SPLITS[0]:
            variants = [(letters, float(label)) for letters, label, _ in cut]
            told = unlabelled(out, seed, "gb1", wild, variants)
            found[f"gb1, {len(variants)} variants"] = told
        known = sum(part == "train" for *_, part in cut)
        words = ("--labels", str(path))
        name = f"gb1 {split}, {known} labels"
        found[name] = probe(out, seed, "regression", "spearman", f"gb1-{split}", *words)
    return found


PARTS: dict[str, Callable[[Path, int], dict[str, Found]]] = {
    "location": location,
    "blat": blat,
    "gfp": gfp,
    "gb1": gb1,
    "structure": structure,
}


def rows(found: dict[str, Found]) -> Iterable[str]:
    """The rows of RESULTS.md: means over seeds with 95% intervals."""
    yield "| set | model | accuracy (location, structure) or Spearman [95%] |"
    yield "|---|---|---|"
    for name, models in found.items():
        for model, values in models.items():
            same = len(set(values)) == 1
            yield f"| {name} | {model} | {f'{values[0]:.3f}' if same else cell(values)} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results-protein"))
    parser.add_argument("--only", choices=PARTS, metavar="PART")
    options = parser.parse_args()
    if not PROTEINS.is_dir():
        raise SystemExit(f"the public data sets are not at {PROTEINS}")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    write_chains(out)
    write_structure(out)
    chosen = [name for name in PARTS if options.only in (None, name)]
    found: dict[str, Found] = {}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: pretrain(out, seed), SEEDS))
        jobs = [(name, seed) for name in chosen for seed in SEEDS]
        for told in pool.map(lambda job: PARTS[job[0]](out, job[1]), jobs):
            for name, models in told.items():
                for model, values in models.items():
                    found.setdefault(name, {}).setdefault(model, []).extend(values)
    print("\n".join(rows(found)))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
