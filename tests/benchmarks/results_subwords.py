"""Pieces against words on running text, in bits per byte at equal minutes: for RESULTS.md.

    make results-subwords         # everything, in results-subwords/ (ten minutes on two idle cores)
    python tests/benchmarks/results_subwords.py --quick

The same causal transformer learns from the valid part of WikiText-2 (1.1 MB) and is judged on the
test part (1.3 MB), with 8000 tokens of three kinds: words as they stand between spaces and signs
(a space goes with what stands behind it, so that every byte of the text is in some token), and
pieces of them by byte-pair encoding and by a unigram model. All get the same processor minutes,
which are the same steps, as the model and its batches have the same shapes: steps of all kinds are
timed first, and the slowest decides.

Pieces spell every text, so that the sum of their bits is what the text costs. Words pay for what
the vocabulary does not hold: for each word whether it is one of those, at the best constant price
(which knows how many the test part has), and for the letters of one, at the price of a byte trigram
model with Witten-Bell smoothing that was learned from the words that the vocabulary left out of
the training part. Without that payment, their figure is no model of the text, and a lower bound.
"""

import argparse
import json
import math
import resource
import shutil
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
from results import DATA, cell, sslkit

from sslkit.domains import text

SEEDS = (1, 2, 3)
WIKITEXT = DATA / "text_code" / "wikitext2"
SIZE = 8000
KINDS = {"words": [], "bpe": ["--subword", "bpe"], "unigram": ["--subword", "unigram"]}
SHAPE = ["--set", "blocks=2", "--set", "width=64", "--set", "heads=4"]
STEPS = ["--objective", "clm", "--window", "64", "--batch-tokens", "1024", "--heldout", "0.02"]
TIMED = (10, 60)
Context = tuple[bytes, ...]


def words_of(path: Path) -> list[bytes]:
    """The words of a file as the domain counts them, spaces and signs among them."""
    reader = text.counting(text.Settings(split="pieces"), "stop").reader(str(path), ())
    return [
        words.buffer[start : start + size].tobytes()
        for words in (reader.feed(path.read_bytes()), reader.finish())
        for start, size in zip(words.starts.tolist(), words.lengths.tolist(), strict=True)
    ]


class Trigrams:
    """Bytes of words given the two before, smoothed as by Witten and Bell (1991)."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self.after: dict[bytes, Counter[int]] = {}
        for word in words:
            for context, byte in self._places(word):
                for start in range(len(context) + 1):
                    self.after.setdefault(context[start:], Counter())[byte] += 1

    @staticmethod
    def _places(word: bytes) -> Iterable[tuple[bytes, int]]:
        """Each byte, and the end (a byte 0), with the two before it."""
        padded = b"\0\0" + word + b"\0"
        return ((padded[at - 2 : at], padded[at]) for at in range(2, len(padded)))

    def _share(self, context: bytes, byte: int) -> float:
        shorter = self._share(context[1:], byte) if context else 1 / 256
        seen = self.after.get(context)
        if seen is None:
            return shorter
        kinds, total = len(seen), seen.total()
        return (seen[byte] + kinds * shorter) / (total + kinds)

    def bits(self, word: bytes) -> float:
        """What a word costs, its end included."""
        return -sum(math.log2(self._share(*place)) for place in self._places(word))


def payment(folder: Path) -> tuple[float, float, int]:
    """Bits for flags and for letters of the test part's unknown words, and how many there are."""
    known = {row.encode() for row in pq.read_table(folder / "vocab.parquet")["token"].to_pylist()}
    learned = Trigrams({*words_of(folder / "train.txt")} - known)
    words = words_of(folder / "test.txt")
    unknown = [word for word in words if word not in known]
    share = len(unknown) / len(words)
    flags = -len(words) * sum(p * math.log2(p) for p in (share, 1 - share) if p)
    return flags, sum(map(learned.bits, unknown)), len(unknown)


def spent() -> float:
    """Processor seconds of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pretrain(folder: Path, steps: int, seed: int, run: str) -> float:
    """Train; the processor seconds that it took."""
    before = spent()
    words = ("--steps", str(steps), "--seed", str(seed), "-o", run)
    sslkit(folder, "pretrain", "train.txt", *STEPS, *SHAPE, *words)
    return spent() - before


def prepare(out: Path, kind: str, minutes: float) -> tuple[Path, int]:
    """The folder of a kind with its vocabulary, and the steps that fit into the minutes."""
    folder = out / kind
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", "valid"), ("test", "test")):
        shutil.copyfile(WIKITEXT / f"{part}.txt", folder / f"{name}.txt")
    sizes = ("--domain", "text", "--set", "split=pieces", "--max-size", str(SIZE))
    sslkit(folder, "build-vocab", "train.txt", *sizes, *KINDS[kind])
    plan = folder / "steps.json"
    if not plan.exists():
        few, many = (pretrain(folder, steps, 0, f"timed-{steps}") for steps in TIMED)
        step = (many - few) / (TIMED[1] - TIMED[0])
        plan.write_text(json.dumps({"step": step, "steps": round(60 * minutes / step)}))
    return folder, json.loads(plan.read_text())["steps"]


def measure(folder: Path, steps: int, seed: int) -> dict[str, float]:
    """Train and score the test part."""
    run = f"run-{seed}"
    kept = folder / f"{run}.json"
    if not kept.exists():
        pretrain(folder, steps, seed, run)
        words = ("--checkpoint", run, "--force", "-o", f"{run}.parquet")
        sslkit(folder, "score", "test.txt", *words)
        (row,) = pq.read_table(folder / f"{run}.parquet").to_pylist()
        bits = -row["log_likelihood"] / math.log(2)
        kept.write_text(json.dumps({"bits": bits, "tokens": row["length"], "steps": steps}))
    told: dict[str, float] = json.loads(kept.read_text())
    return told


def rows(found: dict[str, list[dict[str, float]]], out: Path) -> Iterable[str]:
    """The rows of RESULTS.md: means over seeds with 95% intervals."""
    size = (WIKITEXT / "test.txt").stat().st_size
    yield "| 8000 tokens | bits per byte | of the tokens alone | bytes a token | steps |"
    yield "|---|---|---|---|---|"
    for kind, runs in found.items():
        flags, letters, unknown = payment(out / kind) if kind == "words" else (0.0, 0.0, 0)
        alone = [run["bits"] / size for run in runs]
        paid = [value + (flags + letters) / size for value in alone]
        each = size / runs[0]["tokens"]
        yield (f"| {kind} | {cell(paid)} | {cell(alone)} | {each:.2f} | {runs[0]['steps']} |")
        if unknown:
            yield (
                f"|   {unknown:,} unknown words ({unknown / runs[0]['tokens']:.1%}) | "
                f"{letters / size:.3f} for letters | {flags / size:.3f} for flags | | |"
            )


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results-subwords"))
    parser.add_argument("--minutes", type=float, default=1, help="processor minutes of each run")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--quick", action="store_true", help="a tenth of a minute of one seed")
    options = parser.parse_args()
    if not WIKITEXT.is_dir():
        raise SystemExit(f"the public data sets are not at {WIKITEXT}")
    out = options.out.resolve()
    minutes, seeds = (0.1, 1) if options.quick else (options.minutes, options.seeds)
    plans = {kind: prepare(out, kind, minutes) for kind in KINDS}
    steps = min(fitting for _, fitting in plans.values())
    found: dict[str, list[dict[str, float]]] = {}
    jobs = [(kind, seed) for seed in range(1, seeds + 1) for kind in KINDS]
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda job: measure(plans[job[0]][0], steps, job[1]), jobs)
        for job, told in zip(jobs, done, strict=True):
            found.setdefault(job[0], []).append(told)
            print(*job, told, flush=True)
    print("\n".join(rows(found, out)))


if __name__ == "__main__":
    main()
