"""Speed and memory of build-vocab beside other exact counters, on one pinned core.

    python tests/benchmarks/bench_vocab.py --size 1000 --rounds 3 --peers /path/to/other/python

Corpora are made from a seed: text with Zipf's law, and a random genome with repeats. Every round
runs all programs in turn, so that a slow minute of the machine hits them alike. Times are wall
times of whole commands, output included; memory is the largest sum over a process and all its
children, sampled every 20 ms. A peer that is not installed is left out and named: sort is there
on any machine, duckdb and polars come from PyPI (their interpreter is given with --peers),
jellyfish and kmc from Debian.
"""

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

_DUCKDB = """
import duckdb, sys
c = duckdb.connect(); c.execute("set threads=1; set memory_limit='{memory}'")
c.execute("set temp_directory='.'; set enable_progress_bar=false")
c.execute('''copy (select word, count(*) n from (select unnest(regexp_split_to_array(line,
 '[^A-Za-z0-9_]+')) word from read_csv('{corpus}', columns={{'line': 'varchar'}}, delim='\\x01',
 quote='', header=false)) where word <> '' group by word order by n desc, word)
 to 'duckdb.parquet' (format parquet)''')
"""
_POLARS = """
import polars as pl
(pl.scan_csv('{corpus}', has_header=False, separator='\\x01', quote_char=None, new_columns=['line'])
 .select(pl.col('line').str.extract_all('[A-Za-z0-9_]+').explode().alias('word'))
 .group_by('word').len().sort(['len', 'word'], descending=[True, False])
 .sink_parquet('polars.parquet'))
"""


@dataclass(frozen=True)
class Program:
    """A command and what it needs; ``promise`` is the memory it was told to keep, in MiB."""

    name: str
    command: list[str]
    promise: int | None = None
    missing: str = ""


def main() -> None:
    """Run the comparison and print a table in Markdown for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=200, help="millions of bytes per corpus")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--mem", default="512M", help="budget of sslkit")
    parser.add_argument("--peers", default=sys.executable, help="Python with duckdb and polars")
    parser.add_argument("--only", choices=["text", "genome"], help="one of the corpora")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {chosen.core})
    with tempfile.TemporaryDirectory(prefix="bench-vocab-") as name:
        folder = Path(name)
        if chosen.only != "genome":
            text(folder / "text.txt", chosen.size * 10**6)
            compare("text", text_programs(chosen, folder / "text.txt"), folder, chosen.rounds)
        if chosen.only != "text":
            genome(folder / "genome.fa", chosen.size * 10**6)
            for k in (6, 12, 21, 31):
                found = genome_programs(chosen, folder / "genome.fa", k)
                compare(f"genome, k = {k}, canonical", found, folder, chosen.rounds)


def text(path: Path, size: int) -> None:
    """Words of 2 to 17 letters by Zipf's law, about one new word in twelve."""
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz", np.uint8)
    with path.open("wb") as stream:
        while stream.tell() < size:
            rank = np.exp(rng.random(500_000) * np.log(max(size // 60, 1000))).astype(np.uint64)
            mixed = rank * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(3)
            length = 2 + np.minimum(14, np.log2(rank + 1) / 2.2 + mixed % 4).astype(np.int64)
            words = np.zeros((len(rank), 18), np.uint8)
            for place in range(17):
                words[:, place] = np.where(place < length, letters[mixed % 26], 0)
                mixed //= np.uint64(7)
            words[:, 17] = np.where(np.arange(len(rank)) % 12 == 11, 10, 32)
            stream.write(words[words != 0].tobytes())


def genome(path: Path, size: int) -> None:
    """Random bases; a third of them are copies of earlier stretches, as repeats are."""
    rng = np.random.default_rng(2)
    bases = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, size, dtype=np.uint8)]
    for start in range(0, size - 20_000, 30_000):
        source = int(rng.integers(0, start + 1))
        bases[start : start + 10_000] = bases[source : source + 10_000].copy()
    with path.open("wb") as stream:
        stream.write(b">chr1\n")
        for start in range(0, size, 80):
            stream.write(bases[start : start + 80].tobytes() + b"\n")


def sslkit(corpus: Path, memory: str, *more: str) -> Program:
    """build-vocab under a budget."""
    command = [sys.executable, "-m", "sslkit", "build-vocab", str(corpus), "--mem", memory]
    command += ["--threads", "1", "--force", "-q", "-o", "sslkit.parquet", *more]
    return Program(f"sslkit {memory}", command, int(memory.rstrip("M")))


def text_programs(chosen: argparse.Namespace, corpus: Path) -> list[Program]:
    """All that count words."""
    shell = (
        f"LC_ALL=C tr -cs A-Za-z0-9_ '\\n' < {shlex.quote(str(corpus))} | LC_ALL=C sort -S 512M "
        "| uniq -c | LC_ALL=C sort -k1,1nr -k2 > sorted.txt"
    )
    found = [Program("sort, uniq -c", ["sh", "-c", shell]), sslkit(corpus, chosen.mem)]
    for memory in ("1GB", "512MB"):
        code = _DUCKDB.format(corpus=corpus, memory=memory)
        found.append(from_pypi(chosen.peers, "duckdb", f"duckdb {memory}", code))
    return [*found, from_pypi(chosen.peers, "polars", "polars", _POLARS.format(corpus=corpus))]


def from_pypi(python: str, module: str, name: str, code: str) -> Program:
    """A program of a few lines of Python."""
    probe = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    return Program(name, [python, "-c", code], missing=module if probe.returncode else "")


def genome_programs(chosen: argparse.Namespace, corpus: Path, k: int) -> list[Program]:
    """All that count canonical k-mers."""
    kmc = f"kmc -k{k} -t1 -m2 -ci1 -cs4294967295 -fm {corpus} kmc.out . > /dev/null"
    kmc += " && kmc_tools transform kmc.out dump kmc.txt > /dev/null"
    jellyfish = f"jellyfish count -m {k} -C -s 100M -t 1 -o jf.out {corpus} && "
    jellyfish += "jellyfish dump -c jf.out > jf.txt"
    return [
        Program("kmc", ["sh", "-c", kmc], 2048, missing="" if shutil.which("kmc") else "kmc"),
        sslkit(corpus, chosen.mem, "--k", str(k), "--canonical"),
        Program(
            "jellyfish",
            ["sh", "-c", jellyfish],
            missing="" if shutil.which("jellyfish") else "jellyfish",
        ),
    ]


def compare(title: str, programs: list[Program], folder: Path, rounds: int) -> None:
    """Run all programs in turn and print how they compare with the first one there is."""
    there = [program for program in programs if not program.missing]
    times: dict[str, list[float]] = {program.name: [] for program in there}
    peaks = dict.fromkeys(times, 0.0)
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for program in there:
            seconds, peak, trouble = measure(program.command, folder)
            times[program.name].append(seconds)
            peaks[program.name] = max(peaks[program.name], peak)
            if trouble:
                failed[program.name] = trouble
    base = statistics.median(times[there[0].name])
    print(f"\n### {title}\n\n| program | s (median, spread) | x faster | peak MiB | promise |")
    print("|---|---|---|---|---|")
    for program in there:
        took = times[program.name]
        middle = statistics.median(took)
        spread = f"{middle:.1f} ({min(took):.1f} to {max(took):.1f})"
        ratio = failed.get(program.name) or f"{base / middle:.2f}"
        promise = program.promise or "-"
        print(f"| {program.name} | {spread} | {ratio} | {peaks[program.name]:.0f} | {promise} |")
    for program in programs:
        if program.missing:
            print(f"\nleft out: {program.name}, because {program.missing} is not installed")


def measure(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Wall seconds, MiB of the whole process tree at its peak, and what went wrong."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(tree(process.pid)))
        time.sleep(0.02)
    _, errors = process.communicate()
    trouble = "failed" if process.returncode else ""
    if trouble and "memory" in errors.lower():
        trouble = "out of memory"
    return time.perf_counter() - start, peak / 2**20, trouble


def tree(number: int) -> Iterator[int]:
    """Resident bytes of a process and of all below it."""
    try:
        top = psutil.Process(number)
        for process in [top, *top.children(recursive=True)]:
            yield process.memory_info().rss
    except psutil.Error:
        return


if __name__ == "__main__":
    main()
