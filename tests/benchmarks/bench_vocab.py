"""Speed and memory of build-vocab beside other exact counters, on one pinned core.

    python tests/benchmarks/bench_vocab.py --size 1000 --rounds 3 --peers other/bin/python

Corpora are made from seeds (corpora.py): text, source code, a genome, and reads of a genome. Every
round runs all programs in turn, so that a slow minute of the machine hits them alike. Times are
those of whole commands, output included: on the clock, and on the processor (user and system),
which says more where other work keeps the core busy. Ratios are taken round by round. Memory is
the largest sum over a process and all its children, sampled every 20 ms. A peer that is not
installed is left out and named: sort is there on any machine, duckdb and polars come from PyPI
(their interpreter is given with --peers or SSLKIT_BENCH_PEERS), tokenizers with the dev tools,
jellyfish and kmc come from Debian.
On source code the peers count words only, sslkit all tokens.
"""

import argparse
import os
import resource
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

import corpora
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
_TOKENIZERS = """
import tokenizers as t
made = t.Tokenizer(t.models.WordLevel())
made.pre_tokenizer = t.pre_tokenizers.Split(t.Regex('[^A-Za-z0-9_]+'), 'removed')
trainer = t.trainers.WordLevelTrainer(vocab_size=10**9, show_progress=False)
made.train(['{corpus}'], trainer)
made.save('tokenizers.json')
"""

CORPORA = {"text": "text.txt", "code": "code.c", "genome": "genome.fa", "reads": "reads.fa"}


@dataclass(frozen=True)
class Program:
    """A command and what it needs; ``promise`` is the memory it was told to keep, in MiB."""

    name: str
    command: list[str]
    promise: int | None = None
    missing: str = ""


@dataclass(frozen=True)
class Run:
    """Seconds on the clock and on the processor, MiB at the peak, and what went wrong."""

    wall: float
    processor: float
    peak: float
    trouble: str


def main() -> None:
    """Run the comparison and print a table in Markdown for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=200, help="millions of bytes or bases each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--mem", default="512M", help="budget of sslkit for text and code")
    parser.add_argument("--kmer-mem", default="900M", help="budget of sslkit for k-mers")
    parser.add_argument("--peers", default=os.environ.get("SSLKIT_BENCH_PEERS", sys.executable),
                        help="Python with duckdb and polars")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=list(CORPORA), default=list(CORPORA))
    parser.add_argument("--k", nargs="+", type=int, help="of the k-mers")
    parser.add_argument("--without", nargs="+", default=[], help="peers by the beginning of a name")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {chosen.core})
    print(f"{chosen.rounds} rounds, load {os.getloadavg()[0]:.1f} at the beginning")
    with tempfile.TemporaryDirectory(prefix="bench-vocab-") as name:
        folder = Path(name)
        for kind in chosen.only:
            corpus = folder / CORPORA[kind]
            getattr(corpora, kind)(corpus, chosen.size * 10**6)
            if kind in ("text", "code"):
                found = text_programs(chosen, corpus, kind)
                compare(kind, wanted(found, chosen), folder, chosen.rounds)
            else:
                for k in chosen.k or ((6, 12, 21, 31) if kind == "genome" else (21, 31)):
                    found = kmer_programs(chosen, corpus, k)
                    title = f"{kind}, k = {k}, canonical"
                    compare(title, wanted(found, chosen), folder, chosen.rounds)
            corpus.unlink()


def wanted(programs: list[Program], chosen: argparse.Namespace) -> list[Program]:
    """The programs that are not to be left out."""
    return [held for held in programs if not held.name.startswith(tuple(chosen.without))]


def sslkit(corpus: Path, memory: str, *more: str) -> Program:
    """build-vocab under a budget."""
    command = [sys.executable, "-m", "sslkit", "build-vocab", str(corpus), "--mem", memory]
    command += ["--threads", "1", "--force", "-q", "-o", "sslkit.parquet", *more]
    return Program(f"sslkit {memory}", command, int(memory.rstrip("M")))


def text_programs(chosen: argparse.Namespace, corpus: Path, kind: str) -> list[Program]:
    """All that count words."""
    shell = (
        f"LC_ALL=C tr -cs A-Za-z0-9_ '\\n' < {shlex.quote(str(corpus))} | LC_ALL=C sort -S 512M "
        "| uniq -c | LC_ALL=C sort -k1,1nr -k2 > sorted.txt"
    )
    words = ["--set", "split=words"]
    found = [
        Program("sort, uniq -c", ["sh", "-c", shell]),
        sslkit(corpus, chosen.mem, "--domain", kind, *words),
    ]
    for memory in ("1GB", "512MB"):
        code = _DUCKDB.format(corpus=corpus, memory=memory)
        found.append(from_pypi(chosen.peers, "duckdb", f"duckdb {memory}", code))
    polars = from_pypi(chosen.peers, "polars", "polars", _POLARS.format(corpus=corpus))
    code = _TOKENIZERS.format(corpus=corpus)
    return [*found, polars, from_pypi(sys.executable, "tokenizers", "tokenizers", code)]


def from_pypi(python: str, module: str, name: str, code: str) -> Program:
    """A program of a few lines of Python."""
    probe = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    return Program(name, [python, "-c", code], missing=module if probe.returncode else "")


def kmer_programs(chosen: argparse.Namespace, corpus: Path, k: int) -> list[Program]:
    """All that count canonical k-mers."""
    kind = "a" if corpus.name == CORPORA["reads"] else "m"
    kmc = f"kmc -k{k} -t1 -m2 -ci1 -cs4294967295 -f{kind} {corpus} kmc.out . > /dev/null"
    kmc += " && kmc_tools transform kmc.out dump kmc.txt > /dev/null"
    jellyfish = f"jellyfish count -m {k} -C -s 100M -t 1 -o jf.out {corpus} && "
    jellyfish += "jellyfish dump -c jf.out > jf.txt"
    return [
        Program("kmc", ["sh", "-c", kmc], 2048, missing="" if shutil.which("kmc") else "kmc"),
        sslkit(corpus, chosen.kmer_mem, "--domain", "genome", "--k", str(k), "--canonical"),
        Program(
            "jellyfish",
            ["sh", "-c", jellyfish],
            missing="" if shutil.which("jellyfish") else "jellyfish",
        ),
    ]


def compare(title: str, programs: list[Program], folder: Path, rounds: int) -> None:
    """Run all programs in turn and print how they compare with sslkit."""
    there = [program for program in programs if not program.missing]
    found: dict[str, list[Run]] = {program.name: [] for program in there}
    for _ in range(rounds):
        for program in there:
            found[program.name].append(measure(program.command, folder))
    own = next(runs for name, runs in found.items() if name.startswith("sslkit"))
    print(f"\n### {title}\n")
    print("| program | wall s | processor s | wall / sslkit | processor / sslkit | MiB | promise |")
    print("|---|---|---|---|---|---|---|")
    for program in there:
        runs = found[program.name]
        cells = [
            program.name,
            spread([run.wall for run in runs]),
            spread([run.processor for run in runs]),
            spread([run.wall / mine.wall for run, mine in zip(runs, own, strict=True)]),
            spread([run.processor / mine.processor for run, mine in zip(runs, own, strict=True)]),
            f"{max(run.peak for run in runs):.0f}",
            str(program.promise or "-"),
        ]
        trouble = next((run.trouble for run in runs if run.trouble), "")
        print(f"| {' | '.join(cells)} | {trouble}".rstrip(), flush=True)
    for program in programs:
        if program.missing:
            print(f"\nleft out: {program.name}, because {program.missing} is not installed")


def spread(values: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measure(command: list[str], folder: Path) -> Run:
    """Run a command, and all that it runs, to its end."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "errors.txt").open("w+") as errors:
        process = subprocess.Popen(command, cwd=folder, stderr=errors)
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(tree(process.pid)))
            time.sleep(0.02)
        errors.seek(0)
        said = errors.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    trouble = "failed" if process.returncode else ""
    if trouble and "memory" in said.lower():
        trouble = "out of memory"
    return Run(time.perf_counter() - start, used, peak / 2**20, trouble)


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
