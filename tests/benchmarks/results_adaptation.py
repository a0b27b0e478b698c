"""Low-rank updates against full fine-tuning and freezing: the table of RESULTS.md.

    make results-adaptation            # in results-adaptation/, needs ../shared/data

A default encoder is pretrained on the E. coli K-12 genome and fine-tuned on cnnprom E. coli in
several ways, with the same head, rate and steps; the seed draws the split, the head and all else.
Every run is an ordinary command of sslkit and is kept: started again, it goes on where it was.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import promoter_sets
import results

from sslkit import catalog
from sslkit.artifacts import checkpoint
from sslkit.engine import adaptations, assemble
from sslkit.engine.adaptations import Adapted

PRETRAINING = ["--window", "64", "--steps", "600", *results.PRETRAINING]
TUNING = ["--task", "promoter", "--steps", "200", "--batch", "16"]
SET = "cnnprom_ecoli"
#: Words of the command line by name of the row.
WAYS = {
    "full": ["--adapt", "full"],
    "lora, rank 8": ["--adapt", "lora"],
    "freeze 8 of 12": ["--freeze", "8"],
}


def pretrain(out: Path) -> None:
    """Count tokens and pretrain."""
    corpus = out / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    genome = results.DATA / results.ECOLI
    (corpus / genome.name).write_bytes(genome.read_bytes())
    results.sslkit(out, "build-vocab", "corpus/")
    print(results.sslkit(out, "pretrain", *PRETRAINING), end="")


def measure(out: Path, way: str, seed: int) -> dict[str, float]:
    """Metrics of the test part."""
    labels = (out / "sets" / SET / "train.csv").resolve()
    given = [*TUNING, "--labels", str(labels), "--seed", str(seed), *WAYS[way]]
    place = f"{way.replace(',', '').replace(' ', '-')}-{seed}"
    report = json.loads(results.sslkit(out, "finetune", *given, "-o", place))
    metrics = {name: report["metrics"][name]["value"] for name in results.METRICS}
    print(f"{way}, seed {seed}, step {report['step']}: {metrics}", flush=True)
    return metrics


def trained_parameters(out: Path, way: str) -> tuple[int, int]:
    """How many numbers of the encoder and of the head are trained."""
    words = dict(zip(WAYS[way][::2], WAYS[way][1::2], strict=True))
    freeze = int(words.get("--freeze", "0"))
    chosen = adaptations.modules(words.get("--adapt", "freeze"), freeze)
    pairs = {"freeze.freeze": str(freeze)} if freeze else {}
    settings = catalog.settings(dict(chosen.values()), pairs)
    plugins = {kind: (name, module, settings[name]) for kind, (name, module) in chosen.items()}
    adapted = Adapted.of(assemble.from_checkpoint(out / "pretrained").encoder, plugins, 1)
    place = next(out.glob(f"{way.replace(',', '').replace(' ', '-')}-*/checkpoint.pt"))
    head = checkpoint.load(place).tensors["head"]
    encoder = sum(p.numel() for p, rate in adapted.rates.factors.items() if rate)
    return encoder, sum(tensor.numel() for tensor in head.values())


def table(out: Path, runs: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """The rows of RESULTS.md."""
    yield "| way | trained in the encoder | with the head | of full | AUC [95%] | MCC [95%] |"
    yield "|---|---|---|---|---|---|"
    whole = sum(trained_parameters(out, "full"))
    for way, found in runs.items():
        encoder, head = trained_parameters(out, way)
        cells = " | ".join(results.cell([run[name] for run in found]) for name in results.METRICS)
        share = (encoder + head) / whole
        yield f"| {way} | {encoder:,} | {encoder + head:,} | {share:.1%} | {cells} |"
    for way in list(runs)[1:]:
        pairs = list(zip(runs[way], runs["full"], strict=True))
        gains = (results.cell([a[n] - b[n] for a, b in pairs], "+") for n in results.METRICS)
        yield f"| difference {way} - full | | | | {' | '.join(gains)} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results-adaptation"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if not results.DATA.is_dir():
        raise SystemExit(f"the public data sets are not at {results.DATA}")
    promoter_sets.write_all(results.DATA, options.out / "sets")
    pretrain(options.out)
    jobs = [(way, seed) for seed in range(1, options.seeds + 1) for way in WAYS]
    with ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(lambda job: measure(options.out, *job), jobs))
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for (way, _), metrics in zip(jobs, done, strict=True):
        runs[way].append(metrics)
    print("\n".join(table(options.out, runs)))


if __name__ == "__main__":
    main()
