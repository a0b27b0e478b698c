"""build-vocab as a user runs it."""

import collections
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def sslkit(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "sslkit", "build-vocab", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def table(path):
    held = pq.read_table(path)
    assert held["id"].to_pylist() == list(range(held.num_rows))
    return list(zip(held["token"].to_pylist(), held["count"].to_pylist(), strict=True))


def expected(records, k):
    found = collections.Counter()
    for record in records:
        text = record.upper().replace("U", "T")
        found.update(text[i : i + k] for i in range(len(text) - k + 1))
    kept = {token: n for token, n in found.items() if not set(token) - set("ACGT")}
    return sorted(kept.items(), key=lambda row: (-row[1], row[0]))


def dna(length, seed, letters="ACGTacgtNnRyU"):
    return "".join(random.Random(seed).choices(letters, [30] * 8 + [1] * 5, k=length))


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus" / "deeper"
    folder.mkdir(parents=True)
    records = [dna(n, n) for n in (5, 70, 3000, 20000)]
    lines = "".join(
        f">r{n} some title\n" + "\n".join(text[i : i + 60] for i in range(0, len(text), 60)) + "\n"
        for n, text in enumerate(records)
    )
    (folder / "a.fa").write_text(lines)
    with gzip.open(folder.parent / "b.fna.gz", "wt") as stream:
        stream.write(">x\r\n" + dna(400, 99) + "\r\n\r\n>y\r\nACGT")
    (folder / "notes.txt").write_text("not a sequence")
    return tmp_path, [*records, dna(400, 99), "ACGT"]


@pytest.mark.parametrize("k", [1, 6, 12, 13, 31])
def test_counts_every_kmer_exactly(corpus, k):
    folder, records = corpus
    done = sslkit("corpus/", "--k", k, "--mem", "300M", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert table(folder / "vocab.parquet") == expected(records, k)
    told = json.loads(done.stdout)
    total = sum(count for _, count in expected(records, k))
    windows = sum(max(0, len(text) - k + 1) for text in records)
    assert told["tokens"] == total
    assert told["skipped_windows"] == windows - total
    assert told["peak_bytes"] < 300 << 20
    assert sorted(p.name for p in folder.iterdir()) == ["corpus", "vocab.parquet"]


def test_tells_the_next_stage_how_it_was_made(corpus):
    folder, _ = corpus
    assert sslkit("corpus/", "-q", cwd=folder).stderr == ""
    made = json.loads(pq.read_schema(folder / "vocab.parquet").metadata[b"sslkit"])
    assert made["stage"] == "build-vocab"
    assert made["plugins"]["domain"]["name"] == "genome"
    assert made["plugins"]["domain"]["settings"]["k"] == 6
    assert [Path(held["path"]).name for held in made["inputs"]] == ["b.fna.gz", "a.fa"]
    assert made["results"]["distinct"] == len(table(folder / "vocab.parquet"))


def test_a_finished_run_does_nothing_and_another_one_is_refused(corpus):
    folder, _ = corpus
    out = folder / "vocab.parquet"
    sslkit("corpus/", cwd=folder)
    before, written = out.read_bytes(), out.stat().st_mtime_ns
    again = sslkit("corpus/", cwd=folder)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr
    assert out.stat().st_mtime_ns == written
    other = sslkit("corpus/", "--k", 5, cwd=folder)
    assert other.returncode == 2
    assert "its k is 6, not 5" in other.stderr
    (folder / "corpus" / "c.fa").write_text(">c\nACGTACGT\n")
    changed = sslkit("corpus/", cwd=folder)
    assert changed.returncode == 2
    assert "c.fa is new" in changed.stderr
    assert out.read_bytes() == before
    (folder / "corpus" / "c.fa").unlink()
    assert sslkit("corpus/", "--force", cwd=folder).returncode == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["bad.fa", "empty"]),
        (b"ACGT\n>a\nACGT\n", ["bad.fa", "title line"]),
        (b">a\nACGT\n>b\n>c\nACGT\n", ["bad.fa", "record 2 (b)", "empty"]),
        (b">a\nACGTACGT\n>prot\nMKVLEEFPQ\n", ["bad.fa", "record 2 (prot)", "'L' at letter 4"]),
        (b">a\nNNNNNNNNNNNNN\n", ["bad.fa", "record 1", "no token"]),
        (gzip.compress(b">a\n" + b"ACGT" * 9999)[:-30], ["bad.fa", "cut off"]),
    ],
)
def test_bad_files_are_named(tmp_path, content, words):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "bad.fa").write_bytes(content)
    done = sslkit("corpus", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_an_empty_folder_is_a_usage_error(tmp_path):
    (tmp_path / "corpus").mkdir()
    done = sslkit("corpus", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing to read in corpus" in done.stderr


def test_bad_records_can_be_skipped(tmp_path):
    (tmp_path / "a.fa").write_text(">a\nACGTACGT\n>prot\nACGTMKVLEE\n>none\n>b\nTTTTTTTT\n")
    done = sslkit("a.fa", "--on-error", "skip", "--k", 3, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["bad_records"] == 2
    assert table(tmp_path / "vocab.parquet") == expected(["ACGTACGT", "TTTTTTTT"], 3)


def test_too_little_memory_is_refused_with_what_is_needed(corpus):
    done = sslkit("corpus/", "--mem", "64M", cwd=corpus[0])
    assert done.returncode == 4
    assert "allow at least" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_ends_the_run_and_it_can_be_repeated(tmp_path, number):
    lines = "\n".join(dna(100, seed) for seed in range(500))
    (tmp_path / "a.fa").write_text("".join(f">{n}\n{lines}\n" for n in range(400)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "sslkit", "build-vocab", "a.fa", "--k", "14"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch), "SLURM_TMPDIR": ""},
        stderr=subprocess.PIPE,
    )
    for _ in range(200):
        time.sleep(0.02)
        if list(scratch.iterdir()):
            break
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 75
    assert not (tmp_path / "vocab.parquet").exists()


@pytest.mark.parametrize("k", [6, 21])
def test_a_real_genome_against_sort_and_uniq(tmp_path, k):
    path = DATA / "genomes" / "phages" / "lambda" / "lambda_virus.fa.gz"
    if not path.exists():
        pytest.skip("needs ../shared/data/genomes")
    with gzip.open(path, "rt") as stream:
        text = "".join(stream.read().split("\n")[1:]).upper()
    windows = "\n".join(text[i : i + k] for i in range(len(text) - k + 1))
    counted = subprocess.check_output(
        "LC_ALL=C sort | uniq -c", shell=True, input=windows, text=True
    )
    rows = [(line.split()[1], int(line.split()[0])) for line in counted.splitlines()]
    assert sslkit(path, "--k", k, cwd=tmp_path).returncode == 0
    assert table(tmp_path / "vocab.parquet") == sorted(rows, key=lambda row: (-row[1], row[0]))
