"""Peaks of memory over inputs of two sizes: what a stage holds must not grow with its input.

Every cell runs one command on a small and on a large input, each in a fresh process, with a tiny
model and one thread. Peaks are resident memory of the whole process and of its children, in MiB,
interpreter and libraries included. About 30 minutes of one processor.

    python tests/benchmarks/bench_inputs.py [--scale 1]
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import corpora
import numpy as np

_MODEL = (
    *("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--window", "128"),
    *("--steps", "2", "--batch-tokens", "1024", "--precision", "fp32"),
)
_READ = ("--precision", "fp32", "--checkpoint", "model")
_SHORT = 100


def _sslkit(*words: str) -> float:
    """Run a command; the peak of its memory and of its children's, in MiB."""
    process = subprocess.Popen([sys.executable, "-m", "sslkit", *words, "-q", "--threads", "1"])
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    return used.ru_maxrss / 2**10


def _short(path: Path, count: int) -> None:
    bases = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(5).integers(0, 4, 1_000_000)]
    text = bases.tobytes().decode()
    with path.open("w") as stream:
        for n in range(count):
            start = n * 37 % (len(text) - _SHORT)
            stream.write(f">r{n}\n{text[start : start + _SHORT]}\n")


def _labels(path: Path, longest: int) -> None:
    """A table of 40 records, of which one is long."""
    bases = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(6).integers(0, 4, longest)]
    text = bases.tobytes().decode()
    rows = [f"s{n},{text[n * 7 : n * 7 + 200]},{n % 2}\n" for n in range(39)]
    path.write_text("id,sequence,label\n" + "".join(rows) + f"long,{text},1\n")


def _smiles(path: Path, size: int) -> None:
    rng = np.random.default_rng(7)
    pieces = np.array(["C", "O", "N", "CC", "C(=O)", "c1ccccc1", "C(Cl)", "C(F)", "S"])
    with path.open("w") as stream:
        while stream.tell() < size:
            drawn = pieces[rng.integers(0, len(pieces), (20_000, 10))]
            stream.write("\n".join("C" + "".join(row) for row in drawn) + "\n")


def _make(scale: float) -> None:
    large, small = int(100e6 * scale), int(1e6 * scale)
    for name, size in (("small", small), ("large", large)):
        corpora.genome(Path(f"{name}.fa"), size)
        _short(Path(f"{name}-reads.fa"), size // 500)
        _labels(Path(f"{name}.csv"), size)
    corpora.genome(Path("usual.fa"), 5 * small)
    corpora.genome(Path("tenfold.fa"), 50 * small)
    _smiles(Path("small.smi"), 2 * small)
    _smiles(Path("large.smi"), 20 * small)


def cells(scale: float) -> Iterator[tuple[str, float, float, float]]:
    """What was run, the peaks with the small and the large input in MiB, and seconds of both."""
    # In a process of its own: peaks of children begin with the memory that their parent has held.
    maker = multiprocessing.get_context("spawn").Process(target=_make, args=(scale,))
    maker.start()
    maker.join()
    _sslkit("build-vocab", "usual.fa", "--k", "3", "-o", "vocab.parquet")
    made = ("--vocab", "vocab.parquet", *_MODEL)
    _sslkit("pretrain", *made, "-o", "model", "--objective", "clm")
    runs: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    tuned = ("finetune", "--task", "classification", "--steps", "2", "--batch", "4", *_READ)
    runs["finetune, one long record"] = (
        (*tuned, "--labels", "small.csv", "-o", "fine-small"),
        (*tuned, "--labels", "large.csv", "-o", "fine-large"),
    )
    runs["pretrain, ten times as much"] = (
        ("pretrain", "usual.fa", *made, "-o", "again", "--shards", "shards-usual"),
        ("pretrain", "tenfold.fa", *made, "-o", "tenfold", "--shards", "shards-tenfold"),
    )
    counting = ("build-vocab", "--mem", "256M")
    runs["build-vocab --k 31 --mem 256M"] = (
        (*counting, "usual.fa", "--k", "31", "-o", "usual.parquet"),
        (*counting, "large.fa", "--k", "31", "-o", "large.parquet"),
    )
    runs["build-vocab of SMILES --mem 256M"] = (
        (*counting, "small.smi", "--domain", "molecule", "-o", "small-smi.parquet"),
        (*counting, "large.smi", "--domain", "molecule", "-o", "large-smi.parquet"),
    )
    for title, ending in (("short records", "-reads.fa"), ("one record", ".fa")):
        for stage in ("embed", "score"):
            runs[f"{stage}, {title}"] = (
                (stage, f"small{ending}", *_READ, "-o", f"{stage}-small{ending}.parquet"),
                (stage, f"large{ending}", *_READ, "-o", f"{stage}-large{ending}.parquet"),
            )
    for title, (one, other) in runs.items():
        started = time.monotonic()
        yield title, _sslkit(*one), _sslkit(*other), time.monotonic() - started


def main() -> None:
    """Print a line for every command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of 1 and 100 Mbp")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print("small MiB  large MiB  seconds  command")
        for title, small, large, seconds in cells(asked.scale):
            print(f"{small:9.0f}  {large:9.0f}  {seconds:7.0f}  {title}", flush=True)


if __name__ == "__main__":
    main()
