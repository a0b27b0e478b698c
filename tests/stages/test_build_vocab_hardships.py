"""build-vocab where things go wrong: killed, out of disk or of open files, hostile corpora."""

import collections
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from sslkit.vocab import counting, vocabulary, words
from sslkit.vocab.external_sort import combine, merge, order, runs

OPTIONS = ["--mem", "256M", "--threads", "1", "--tmp", "scratch", "-q"]


def rows(path):
    table = pq.read_table(path)
    return list(zip(table["token"].to_pylist(), table["count"].to_pylist(), strict=True))


def ranked(counts):
    return sorted(counts.items(), key=lambda row: (-row[1], row[0].encode()))


@pytest.fixture
def tiny(monkeypatch):
    """Engine with blocks, stores and fan-in so small that a small corpus spills and merges."""
    monkeypatch.setattr(counting, "BLOCK", 1 << 12)
    monkeypatch.setattr(counting, "_BLOCK_TOKENS", 1 << 12)
    monkeypatch.setattr(words.Counter, "full", lambda self: True)
    monkeypatch.setattr(merge, "fan_in", lambda _: 4)
    monkeypatch.setattr(merge, "SMALLEST_BLOCK", 64)


@pytest.fixture
def corpus(tmp_path):
    generator = random.Random(5)
    counts: collections.Counter = collections.Counter()
    for name in ("a.txt", "b.txt"):
        tokens = [f"w{int(generator.paretovariate(0.4)) % 9999}" for _ in range(12_000)]
        tokens += ["x" * generator.randint(1, 90) for _ in range(200)]
        (tmp_path / name).write_text("\n".join(tokens))
        counts.update(tokens)
    return ranked(counts)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (runs, "write_run"),
        (runs, "seal"),
        (combine, "join"),
        (order.ByCount, "add"),
        (vocabulary, "write"),
    ],
)
@pytest.mark.parametrize("after", [0, 3])
def test_a_full_disk_ends_the_run_and_it_goes_on(
    tmp_path, command, monkeypatch, tiny, corpus, where, name, after
):
    """Whichever file it is that cannot be written, the same command finishes the work later."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    calls = []
    whole = getattr(where, name)

    def cramped(*arguments, **more):
        calls.append(name)
        if len(calls) > after:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))
        return whole(*arguments, **more)

    monkeypatch.setattr(where, name, cramped)
    try:
        done = command("build-vocab", "a.txt", "b.txt", *OPTIONS, check=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    monkeypatch.setattr(where, name, whole)
    if len(calls) > after:
        assert done.code == 4, done.err
        assert "cannot be written" in done.err
        assert not (tmp_path / "vocab.parquet").exists()
        assert command("build-vocab", "a.txt", "b.txt", *OPTIONS).code == 0
    assert rows(tmp_path / "vocab.parquet") == corpus
    assert not list((tmp_path / "scratch").iterdir())
    assert not list(tmp_path.glob(".*"))


def test_damaged_spills_are_counted_again(tmp_path, command, monkeypatch, tiny, corpus):
    """A bit turned over, a file cut short, or gone, in what an ended process left."""

    def ended(*_):
        raise KeyboardInterrupt

    for number, hurt in enumerate(("turn", "cut", "remove", "remove header", "empty header")):
        with monkeypatch.context() as patch:
            patch.setattr(combine, "reduce", ended)
            command("build-vocab", "a.txt", "b.txt", *OPTIONS, "--force", check=None)
        (folder,) = (tmp_path / "scratch").iterdir()
        spills = sorted(folder.rglob("spill-*"))
        assert len(spills) > 20
        headers = [path for path in spills if path.suffix == ".json"]
        chosen = (headers if "header" in hurt else spills)[3 + number]
        if hurt == "turn":
            content = bytearray(chosen.read_bytes())
            content[len(content) // 2] ^= 8
            chosen.write_bytes(content)
        elif "remove" in hurt:
            chosen.unlink()
        else:
            chosen.write_bytes(chosen.read_bytes()[: 0 if "empty" in hurt else -1])
        command("build-vocab", "a.txt", "b.txt", *OPTIONS, "--force")
        assert rows(tmp_path / "vocab.parquet") == corpus
        assert not list((tmp_path / "scratch").iterdir())


def test_more_runs_than_open_files(tmp_path, command, tiny, corpus, monkeypatch):
    monkeypatch.setattr(merge, "fan_in", lambda _: 400)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    try:
        command("build-vocab", "a.txt", "b.txt", *OPTIONS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert rows(tmp_path / "vocab.parquet") == corpus


HOSTILE = {
    "all distinct": lambda: " ".join(f"{n:x}" for n in range(60_000)),
    "all the same": lambda: "same " * 60_000,
    "only NUL": lambda: "\0" * 100_000 + "a",
    "NUL between": lambda: "a\0b\0\0" * 20_000,
    "no token but one": lambda: " \n\t" * 50_000 + "a",
    "one line": lambda: "a b," * 50_000,
    "empty lines": lambda: "\n\r\n\r" * 50_000 + "é",
    "long and many": lambda: " ".join("x" * 65_536 + "y" * (n % 2) for n in range(30)) + " z",
    "prefixes of each other": lambda: " ".join("a" * (n % 400 + 1) for n in range(1_200)),
    "many bytes a letter": lambda: "中😀é" * 9_000 + " 中 中",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_corpora(tmp_path, command, tiny, name):
    text = HOSTILE[name]()
    (tmp_path / "a.txt").write_bytes(text.encode())
    done = command("build-vocab", "a.txt", *OPTIONS, "--on-error", "skip", "--json")
    counts = collections.Counter(re.findall(r"\w+", text))
    fits = {token: n for token, n in counts.items() if len(token.encode()) <= 65_536}
    assert rows(tmp_path / "vocab.parquet") == ranked(fits)
    assert done.json.get("too_long_tokens", 0) == counts.total() - sum(fits.values())


def start(folder, *words, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "sslkit", *words], cwd=folder, stderr=subprocess.PIPE, **more
    )


@pytest.fixture
def busy(tmp_path):
    """Corpora that take seconds to count and to merge, and spill at 256M; and what they give."""
    generator = random.Random(3)
    letters = "".join(generator.choices("ACGT", k=1_000_000))
    lines = [letters[at : at + 100] for at in range(0, len(letters), 100)]
    with (tmp_path / "a.fa").open("w") as stream:
        for number in range(12):
            generator.shuffle(lines)
            stream.write(f">{number}\n" + "\n".join(lines) + "\n")
    with (tmp_path / "a.txt").open("w") as stream:
        for part in range(20):
            stream.write(" ".join(f"{part}token{n % 30_011:x}longer" for n in range(60_000)) + "\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("corpus_name", ["a.fa", "a.txt"])
def test_ended_at_random_moments_the_same_command_gives_the_same_bytes(busy, number, corpus_name):
    options = ["build-vocab", corpus_name, *OPTIONS]
    options += ["--k", "21"] if corpus_name == "a.fa" else []
    began = time.monotonic()
    assert start(busy, *options, "-o", "whole.parquet").wait() == 0
    lasts = time.monotonic() - began
    whole, out = (busy / "whole.parquet").read_bytes(), busy / "vocab.parquet"
    generator = random.Random(number)
    ends = collections.Counter()
    for _ in range(12):
        process = start(busy, *options)
        try:
            process.wait(generator.uniform(0.3, 0.9) * lasts)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        code = process.wait()
        ends[code] += 1
        if out.exists():
            assert out.read_bytes() == whole
            out.unlink()
    assert set(ends) <= {0, 75 if number == signal.SIGTERM else -number, -signal.SIGTERM}
    assert set(ends) != {0}, "none was ended before its time"
    assert start(busy, *options).wait() == 0
    assert out.read_bytes() == whole
    assert not list((busy / "scratch").iterdir())
    assert not list(busy.glob(".vocab.parquet.*"))


def test_a_process_killed_while_it_counts(tmp_path):
    """The fast one of its kind: killed once, as soon as a spill is there."""
    lines = "\n".join(f"{n:x}longer{n * 7919 % 10**6}" for n in range(1_500_000))
    (tmp_path / "a.txt").write_text(lines)
    process = start(tmp_path, "build-vocab", "a.txt", *OPTIONS)
    give_up = time.monotonic() + 60
    while not list(tmp_path.glob("scratch/*/*/spill-*.json")) and time.monotonic() < give_up:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    again = start(tmp_path, "build-vocab", "a.txt", *[word for word in OPTIONS if word != "-q"])
    _, errors = again.communicate()
    assert again.returncode == 0
    assert b"goes on after" in errors
    table = pq.read_table(tmp_path / "vocab.parquet")
    assert table.num_rows == 1_500_000
    assert set(table["count"].to_pylist()) == {1}
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.slow
def test_a_token_of_two_gigabytes(tmp_path):
    """It is no word: refused with its place, or skipped, and neither takes memory."""
    with (tmp_path / "a.txt").open("w") as stream:
        stream.write("before ")
        for _ in range(2048):
            stream.write("x" * (1 << 20))
        stream.write(" behind")
    process = start(tmp_path, "build-vocab", "a.txt", *OPTIONS)
    _, errors = process.communicate()
    assert process.returncode == 3
    assert b"longer than 65536 bytes" in errors
    assert b"a.txt, byte 8" in errors
    skip = ["-m", "sslkit", "build-vocab", "a.txt", *OPTIONS, "--json", "--on-error", "skip"]
    done = subprocess.run([sys.executable, *skip], cwd=tmp_path, capture_output=True, check=True)
    assert rows(tmp_path / "vocab.parquet") == [("before", 1), ("behind", 1)]
    results = json.loads(done.stdout)
    assert results["too_long_tokens"] == 1
    assert results["peak_bytes"] <= 256 << 20


def real(shared_data):
    names = ["phages/lambda/lambda_virus.fa.gz", "bacteria/E.Coli/MG1655-K12.fasta.gz"]
    return [shared_data / "genomes" / name for name in names]


def canonical(token):
    return min(token, token[::-1].translate(str.maketrans("ACGT", "TGCA")))


def plain(folder, path):
    """An uncompressed copy, as other counters want it."""
    copy = folder / "plain.fa"
    copy.write_bytes(subprocess.run(["gzip", "-dc", path], check=True, capture_output=True).stdout)
    return copy


@pytest.mark.skipif(not shutil.which("jellyfish"), reason="needs jellyfish")
@pytest.mark.parametrize(
    ("place", "k"), [(0, 6), (0, 31), pytest.param(1, 21, marks=pytest.mark.slow)]
)
def test_real_genomes_against_jellyfish(tmp_path, command, shared_data, place, k):
    copy = plain(tmp_path, real(shared_data)[place])
    count = ["jellyfish", "count", "-m", str(k), "-s", "5M", "-C", "-o", "out.jf", copy]
    subprocess.run(count, cwd=tmp_path, check=True)
    output = subprocess.check_output(["jellyfish", "dump", "-c", "out.jf"], cwd=tmp_path, text=True)
    counts = {canonical(t): int(n) for t, n in (line.split() for line in output.splitlines())}
    command("build-vocab", copy, "--k", str(k), "--canonical", *OPTIONS)
    assert rows(tmp_path / "vocab.parquet") == ranked(counts)


@pytest.mark.skipif(not shutil.which("kmc"), reason="needs kmc")
@pytest.mark.parametrize(("place", "k"), [(0, 31), pytest.param(1, 12, marks=pytest.mark.slow)])
def test_real_genomes_against_kmc(tmp_path, command, shared_data, place, k):
    copy = plain(tmp_path, real(shared_data)[place])
    shape = [f"-k{k}", "-ci1", "-cs4000000000", "-m2", "-t1", "-fm"]
    subprocess.run(["kmc", *shape, copy, "out", "."], cwd=tmp_path, check=True, capture_output=True)
    dump = ["kmc_tools", "-t1", "transform", "out", "dump", "out.txt"]
    subprocess.run(dump, cwd=tmp_path, check=True, capture_output=True)
    lines = (tmp_path / "out.txt").read_text().splitlines()
    counts = {token: int(n) for token, n in (line.split() for line in lines)}
    command("build-vocab", copy, "--k", str(k), "--canonical", *OPTIONS)
    assert rows(tmp_path / "vocab.parquet") == ranked(counts)


def test_words_against_sort_and_uniq(tmp_path, command, shared_data):
    texts = [*shared_data.glob("text_code/**/*.txt"), *shared_data.glob("text_code/**/*.md")][:5]
    texts = texts or [shared_data / "README.md"]
    for number, path in enumerate(texts):
        # Other tools know ASCII letters only.
        text = path.read_bytes().decode("utf-8", "replace").encode("ascii", "ignore")
        (tmp_path / f"{number}.txt").write_bytes(text)
    pipe = "cat *.txt | LC_ALL=C tr -cs 'A-Za-z0-9_' '\\n' | grep . | LC_ALL=C sort | uniq -c"
    output = subprocess.check_output(["bash", "-c", pipe], cwd=tmp_path, text=True)
    counts = {line.split()[1]: int(line.split()[0]) for line in output.splitlines()}
    command("build-vocab", ".", "--domain", "text", *OPTIONS)
    assert rows(tmp_path / "vocab.parquet") == ranked(counts)
