"""The peak of all processes of build-vocab, libraries included, is never above --mem."""

import subprocess
import sys
import time

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from sslkit.machine import sizes

#: Letters per token: one word, two words, and tokens that are byte strings.
LENGTHS = (5, 8, 13, 16, 24, 60)


def text(path, size, rare=0.5):
    """About ``size`` bytes of words of all lengths, a part of them met for the first time."""
    rng = np.random.default_rng(11)
    written = 0
    with path.open("wb") as stream:
        for number in range(10**9):
            length = LENGTHS[number % len(LENGTHS)]
            rows = 2_000_000 // length
            # Words of few letters, drawn from far fewer than there could be, or from all.
            ids = (rng.pareto(0.7, rows) * 9).clip(0, 2**62).astype(np.int64)
            ids[: int(rare * rows)] = rng.integers(0, 2**62, int(rare * rows))
            letters = np.full((rows, length + 1), ord("a"), np.uint8)
            letters[:, -1] = 32
            for place in range(min(length, 13)):
                letters[:, place] += (ids % 26).astype(np.uint8)
                ids //= 26
            written += stream.write(letters.tobytes())
            if written >= size:
                return


def genome(path, size):
    """About ``size`` bases, with long gaps and lines of all lengths.

    Every record is the first one with one base in five hundred drawn anew: as many k-mers for
    counting as there are bases, and far fewer on the disk.
    """
    rng = np.random.default_rng(12)
    letters = np.frombuffer(b"ACGT", np.uint8)
    first = letters[rng.integers(0, 4, 20_000_000, np.uint8)]
    with path.open("wb") as stream:
        for number in range(max(1, size // len(first))):
            stream.write(b">%d\n" % number)
            bases = first.copy()
            changed = rng.integers(0, len(bases), len(bases) // 500)
            bases[changed] = letters[rng.integers(0, 4, len(changed), np.uint8)]
            bases[3_000_000:5_000_000] = ord("N")
            if number % 2:
                bases[::61] = 10
            stream.write(bases.tobytes() + b"\n")


def peak(folder, *words):
    """Run a command; its resident memory with all its children, in bytes, at the highest."""
    process = subprocess.Popen([sys.executable, "-m", "sslkit", *words], cwd=folder)
    tree, highest = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            members = [tree, *tree.children(recursive=True)]
            highest = max(highest, sum(one.memory_info().rss for one in members))
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.005)
    assert process.returncode == 0
    return highest


def options(memory, threads):
    return ["--mem", memory, "--threads", str(threads), "--tmp", "scratch", "-q", "--force"]


def test_text_that_spills(tmp_path):
    text(tmp_path / "a.txt", 16_000_000)
    used = peak(tmp_path, "build-vocab", "a.txt", *options("256M", 2))
    assert used <= sizes.parse("256M")


def test_tokens_as_long_as_can_be(tmp_path):
    """The rows of a merge are few then, and each of them is large."""
    rng = np.random.default_rng(13)
    with (tmp_path / "a.txt").open("wb") as stream:
        for _ in range(500):
            stream.write(rng.integers(97, 123, 65_000, np.uint8).tobytes() + b" ")
    used = peak(tmp_path, "build-vocab", "a.txt", *options("256M", 1))
    assert used <= sizes.parse("256M")
    assert pq.read_metadata(tmp_path / "vocab.parquet").num_rows == 500


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["256M", "512M"])
@pytest.mark.parametrize("threads", [1, 2])
def test_text_ten_times_the_budget(tmp_path, memory, threads):
    text(tmp_path / "a.txt", 10 * sizes.parse(memory))
    assert peak(tmp_path, "build-vocab", "a.txt", *options(memory, threads)) <= sizes.parse(memory)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k", "memory"), [(6, "256M"), (12, "256M"), (12, "512M"), (21, "256M"), (31, "512M")]
)
def test_a_genome_ten_times_the_budget(tmp_path, memory, k):
    genome(tmp_path / "a.fa", 10 * sizes.parse(memory))
    used = peak(tmp_path, "build-vocab", "a.fa", "--k", str(k), "--canonical", *options(memory, 2))
    assert used <= sizes.parse(memory)


@pytest.mark.slow
def test_one_line_ten_times_the_budget(tmp_path):
    text(tmp_path / "a.smi", 10 * sizes.parse("256M"), rare=0)
    raw = ("--domain", "molecule", "--set", "canonical=false")
    used = peak(tmp_path, "build-vocab", "a.smi", *raw, *options("256M", 1))
    assert used <= sizes.parse("256M")
    used = peak(
        *(tmp_path, "build-vocab", "a.smi", "--domain", "lines", "--set", "column=2"),
        *("--set", "separator=space", *options("256M", 1)),
    )
    assert used <= sizes.parse("256M")
    assert pq.read_metadata(tmp_path / "vocab.parquet").num_rows == 1
