"""build-vocab as a user runs it."""

import collections
import gzip
import itertools
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

from sslkit.stages.build_vocab import plan

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def sslkit(*arguments, cwd, **more):
    return run("build-vocab", *arguments, cwd=cwd, **more)


def run(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "sslkit", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def table(path):
    columns = pq.read_table(path)
    assert columns["id"].to_pylist() == list(range(columns.num_rows))
    return list(zip(columns["token"].to_pylist(), columns["count"].to_pylist(), strict=True))


def expected(records, k):
    counts = collections.Counter()
    for record in records:
        text = record.upper().replace("U", "T")
        counts.update(text[i : i + k] for i in range(len(text) - k + 1))
    valid = {token: n for token, n in counts.items() if not set(token) - set("ACGT")}
    return sorted(valid.items(), key=lambda row: (-row[1], row[0]))


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
    results = json.loads(done.stdout)
    total = sum(count for _, count in expected(records, k))
    windows = sum(max(0, len(text) - k + 1) for text in records)
    assert results["tokens"] == total
    assert results["skipped_windows"] == windows - total
    assert results["peak_bytes"] < 300 << 20
    assert sorted(p.name for p in folder.iterdir()) == ["corpus", "vocab.parquet"]


def test_tells_the_next_stage_how_it_was_made(corpus):
    folder, _ = corpus
    assert sslkit("corpus/", "-q", cwd=folder).stderr == ""
    manifest = json.loads(pq.read_schema(folder / "vocab.parquet").metadata[b"sslkit"])
    assert manifest["stage"] == "build-vocab"
    assert manifest["plugins"]["domain"]["name"] == "genome"
    assert manifest["plugins"]["domain"]["settings"]["k"] == 6
    assert [Path(entry["path"]).name for entry in manifest["inputs"]] == ["b.fna.gz", "a.fa"]
    assert manifest["results"]["distinct"] == len(table(folder / "vocab.parquet"))


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
        (gzip.compress(b">a\n" + b"ACGT" * 9999, mtime=0)[:-30], ["bad.fa", "cut off"]),
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
    (tmp_path / "a.fa").write_text("".join(f">{n}\n{lines}\n" for n in range(100)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch), "SLURM_TMPDIR": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "sslkit", "build-vocab", "a.fa", "--k", "14"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
    )
    give_up = time.monotonic() + 60
    while not list(scratch.iterdir()) and time.monotonic() < give_up:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 75
    assert not (tmp_path / "vocab.parquet").exists()
    again = sslkit("a.fa", "--k", "14", cwd=tmp_path, env=environment)
    assert again.returncode == 0, again.stderr
    assert "goes on after" in again.stderr
    assert not list(scratch.iterdir())
    whole = sslkit("a.fa", "--k", "14", "-o", "whole.parquet", cwd=tmp_path)
    assert whole.returncode == 0
    assert (tmp_path / "vocab.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


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


@pytest.mark.parametrize("kind", ["genome", "text"])
def test_shards_merge_to_the_bytes_of_one_run(tmp_path, kind):
    folder = tmp_path / "corpus"
    folder.mkdir()
    if kind == "genome":
        (folder / "a.fa").write_text("".join(f">{n}\n{dna(n * 9, n)}\n" for n in range(1, 60)))
        (folder / "b.fa").write_text(">x\nACGTNACGGT\n")
        options = ["--k", "4", "--canonical", "--min-count", "2"]
    else:
        words = random.Random(1).choices(["a", "bc", "longer_than_eight", "größe"], k=3000)
        (folder / "a.txt").write_text("\n".join(map(" ".join, itertools.pairwise(words))))
        (folder / "b.txt.gz").write_bytes(gzip.compress(b"only here a"))
        options = ["--special", "<s>", "--max-size", "5"]
    assert sslkit("corpus", *options, "--threads", 1, cwd=tmp_path).returncode == 0
    for number in (1, 2, 3):
        done = sslkit("corpus", *options, "--shard", f"{number}/3", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    parts = sorted(path.name for path in tmp_path.glob("part-*"))
    assert parts == ["part-1-of-3", "part-2-of-3", "part-3-of-3"]
    merged = run("merge-vocab", *parts, "-o", "merged.parquet", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "vocab.parquet").read_bytes()
    few = run("merge-vocab", *parts[1:], "-o", "few.parquet", cwd=tmp_path)
    assert few.returncode == 2
    assert "missing: 1" in few.stderr


def test_threads_and_memory_do_not_change_a_byte(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"w{n % 997} {n}" for n in range(90_000)))
    written = set()
    for threads, memory in ((1, "256M"), (2, "1G"), (3, "700M")):
        done = sslkit("a.txt", "--threads", threads, "--mem", memory, "--force", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        written.add((tmp_path / "vocab.parquet").read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("k", [10, 21])
def test_compiled_loops_do_not_change_a_byte(corpus, command, monkeypatch, k):
    options = ["corpus", "--k", k, "--canonical", "--threads", 2, "--mem"]
    assert "compiled" not in command("build-vocab", *options, "1G").err
    monkeypatch.setattr(plan, "_WORTH_COMPILING", 0)
    assert "compiled" in command("build-vocab", *options, "1G", "-o", "looped.parquet").err
    assert Path("looped.parquet").read_bytes() == Path("vocab.parquet").read_bytes()
    assert "compiled" not in command("build-vocab", *options, "400M", "--force").err


@pytest.mark.parametrize("rows", [30, 40_000])
def test_bad_rows_of_a_column_are_told(tmp_path, command, rows):
    lines = [f"{n},word{n % 7}" if n % 10 else f"{n},one,two" for n in range(rows)]
    (tmp_path / "a.csv").write_text("id,words\n" + "\n".join(lines) + "\n")
    options = ["a.csv", "--domain", "text", "--column", "words", "--mem", "300M"]
    done = command("build-vocab", *options, check=3)
    assert "a.csv, row 1" in done.err
    done = command("build-vocab", *options, "--on-error", "skip", "--json")
    results = json.loads(done.out)
    assert results["bad_records"] == rows // 10
    assert results["tokens"] == rows - rows // 10


def test_text_is_counted_without_loading_pandas(tmp_path):
    (tmp_path / "a.txt").write_text("a word of over sixteen characters: incomprehensibilities")
    code = (
        "import sys; from sslkit.cli.commands import app; app(standalone_mode=False); "
        "sys.exit('pandas' in sys.modules)"
    )
    words = [sys.executable, "-c", code, "build-vocab", "a.txt"]
    assert subprocess.run(words, cwd=tmp_path, check=False).returncode == 0


def test_reads_and_tables_and_standard_input(tmp_path):
    reads = [dna(30, n, "ACGTNacgtacgt") for n in range(40)]
    usual = "".join(f"@{n}\n{read}\n+\n{'@' * 30}\n" for n, read in enumerate(reads))
    (tmp_path / "a.fq").write_text(usual)
    (tmp_path / "t.csv").write_text("id,dna\n" + "".join(f"{n},{r}\n" for n, r in enumerate(reads)))
    want = expected(reads, 5)
    for arguments in (["a.fq"], ["t.csv", "--domain", "genome", "--column", "dna"]):
        done = sslkit(*arguments, "--k", 5, "--force", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert table(tmp_path / "vocab.parquet") == want
    fasta = "".join(f">{n}\n{read}\n" for n, read in enumerate(reads))
    done = sslkit("-", "--domain", "genome", "--k", 5, "--force", cwd=tmp_path, input=fasta)
    assert done.returncode == 0, done.stderr
    assert table(tmp_path / "vocab.parquet") == want


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_nothing(tmp_path):
    lines = "\n".join(dna(1000, seed, "ACGTacgtNNRYK") for seed in range(6000))
    (tmp_path / "a.fa").write_text("".join(f">{n}\n{lines}\n" for n in range(3)))
    options = ["a.fa", "--k", "17", "--mem", "256M", "--threads", "1", "--tmp", "scratch", "-q"]
    whole = sslkit(*options, "-o", "whole.parquet", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "vocab.parquet"
    generator = random.Random(1)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "sslkit", "build-vocab", *options], cwd=tmp_path
        )
        time.sleep(generator.uniform(1, 6))
        process.kill()
        process.wait()
        assert not out.exists() or out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sslkit(*options, cwd=tmp_path).returncode == 0
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not list((tmp_path / "scratch").iterdir())
