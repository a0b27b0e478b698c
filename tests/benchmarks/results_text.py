"""Sentences found by their translations: the table of text in RESULTS.md.

    make results-text               # everything, in results-text/ (an hour on 2 cores)
    python tests/benchmarks/results_text.py --quick

Encoders are pretrained on the 29,000 captions of Multi30k in two languages, with mlm, with align
and with both at equal steps, one for each of three seeds; then each of the 1000 captions of the
test part of 2016 is looked up by its translation, and the other way round. Beside them what needs
no sentence: words that both languages write alike, and a dictionary of nearest words. Every run is
an ordinary command of sslkit and is kept: started again, it goes on where it was.
"""

import argparse
import gzip
import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from results import DATA, cell, sslkit

SEEDS = (1, 2, 3)
CAPTIONS = DATA / "text_code" / "multi30k"
LANGUAGES = ("fr", "de")
OBJECTIVES = ("mlm", "align", "mlm+align")
SHAPE = ["--set", "blocks=3", "--set", "width=128", "--set", "heads=4"]
STEPS = ["--window", "64", "--batch-tokens", "8192", "--micro-tokens", "8192"]
WAYS = ("first to second", "second to first")
WORD = re.compile(r"\w")
Found = dict[str, dict[str, list[float]]]


def write_pairs(out: Path, language: str) -> None:
    """The captions in English and another language, and the vocabulary of both."""
    folder = out / language
    folder.mkdir(exist_ok=True)
    for part in ("train", "test_2016_flickr"):
        sides = []
        for side in ("en", language):
            with gzip.open(CAPTIONS / f"{part}.{side}.gz", "rt", encoding="utf-8") as stream:
                sides.append([" ".join(line.split()) for line in stream])
        # Two captions of the German training part are "@@", without a word.
        kept = [pair for pair in zip(*sides, strict=True) if all(map(WORD.search, pair))]
        lines = ["\t".join(pair) for pair in kept]
        (folder / f"{part}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    sslkit(folder, "build-vocab", "train.tsv", "--domain", "text", "--min-count", "2")


def measure(out: Path, language: str, objective: str, seed: int, steps: int) -> dict[str, float]:
    """Pretrain, look up; top-1 and mean reciprocal rank by model and way."""
    folder, run = out / language, f"{objective}-{seed}"
    sslkit(
        folder, "pretrain", "train.tsv", "--set", "documents=pair", "--objective", objective,
        *SHAPE, *STEPS, "--steps", str(steps), "--seed", str(seed), "-o", run,
    )  # fmt: skip
    told = json.loads(
        sslkit(
            folder, "retrieve", "test_2016_flickr.tsv", "--checkpoint", run, "--seed", str(seed),
            "--force", "-o", f"{run}.parquet",
        )
    )  # fmt: skip
    return {
        f"{model}, {way}, {metric}": both[way][metric]["value"]
        for model, both in told["models"].items()
        for way in WAYS
        for metric in ("top-1", "mrr")
    }


def rows(found: Found) -> Iterable[str]:
    """The rows of RESULTS.md: means over seeds with 95% intervals."""
    heads = [f"{metric}, {way}" for way in WAYS for metric in ("top-1", "mrr")]
    yield f"| languages | trained with | found by | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    for name, values in found.items():
        models = dict.fromkeys(key.split(", ")[0] for key in values)
        for model in models:
            cells = [
                cell(values[f"{model}, {way}, {metric}"])
                for way in WAYS
                for metric in ("top-1", "mrr")
            ]
            yield f"| {name} | {model} | {' | '.join(cells)} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results-text"))
    parser.add_argument("--only", choices=LANGUAGES, help="one of the languages beside English")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--quick", action="store_true", help="20 steps of one seed, one language")
    options = parser.parse_args()
    if not CAPTIONS.is_dir():
        raise SystemExit(f"the public data sets are not at {CAPTIONS}")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    languages = [one for one in LANGUAGES if options.only in (None, one)]
    languages = languages[:1] if options.quick else languages
    seeds = (1,) if options.quick else range(1, options.seeds + 1)
    steps = 20 if options.quick else options.steps
    for language in languages:
        write_pairs(out, language)
    jobs = [(name, one, seed) for name in languages for one in OBJECTIVES for seed in seeds]
    found: Found = {}
    with ThreadPoolExecutor(2) as pool:
        for job, told in zip(
            jobs, pool.map(lambda job: measure(out, *job, steps), jobs), strict=True
        ):
            held = found.setdefault(f"en-{job[0]} | {job[1]}", {})
            for key, value in told.items():
                held.setdefault(key, []).append(value)
            print(*job, told["pretrained, first to second, top-1"], flush=True)
    print("\n".join(rows(found)))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
