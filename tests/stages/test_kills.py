"""Every stage killed at every file operation: the same command ends in the same files, no more."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

_SERVER = Path(__file__).parents[1] / "kill_points.py"
#: Clock and speed: what may differ between equal runs.
_CLOCK = {"log.jsonl"}
_TINY = (
    "--set", "blocks=1", "--set", "width=8", "--set", "heads=2", "--batch-tokens", "128",
    "--micro-tokens", "128", "--window", "16",
)  # fmt: skip
_CPU = ("--threads", "1", "--device", "cpu", "--precision", "fp32")
_TMP = ("--mem", "400M", "--tmp", "../tmp", "--threads")
_COUNT = ("build-vocab", *_TMP, "1")
_TRAIN = ("pretrain", "--steps", "2", "--checkpoint-every", "0", *_TINY, *_CPU)
_SAMPLES = ("--optimizer", "sgld", "--set", "burn_in=0", "--set", "samples=2", "--schedule", "pi")
_TUNE = ("finetune", "--task", "promoter", "--steps", "2", "--checkpoint-every", "0", *_CPU)
_EMBED = ("embed", "genes.fa", *_CPU, "--batch-tokens", "2")
_INTERVALS = ("embed", "a.bed", *_CPU, "--reference")
_PARTS = ("part-1-of-2", "part-2-of-2")
_TEXT = ("--domain", "text", "--set", "documents=pair", "--vocab", "text.parquet")
#: Inputs that other commands make: what these need, and their words.
_MADE = {
    "vocab.parquet": (("corpus",), (*_COUNT, "corpus", "--k", "3")),
    "part-1-of-2": (("corpus",), (*_COUNT, "corpus", "--k", "3", "--shard", "1/2")),
    "part-2-of-2": (("corpus",), (*_COUNT, "corpus", "--k", "3", "--shard", "2/2")),
    "pretrained": (("corpus", "vocab.parquet"), _TRAIN),
    "text.parquet": (
        ("pairs.tsv",), (*_COUNT, "pairs.tsv", "--domain", "text", "-o", "text.parquet")
    ),
    "text": (
        ("pairs.tsv", "text.parquet"),
        (*_TRAIN, *_TEXT, "--objective", "mlm+align", "--heldout", "0.2", "-o", "text"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A command to be killed.

    Attributes:
        words: the command line behind ``sslkit``.
        needs: what of the prepared folder it is given.
        before: a command that runs first, whose results are in its way.
        stdin: the file that it reads, if any.
    """

    words: tuple[str, ...]
    needs: tuple[str, ...]
    before: tuple[str, ...] = ()
    stdin: str | None = None


CASES = {
    "build-vocab": Case((*_COUNT, "corpus", "--k", "3", "--plot"), ("corpus",)),
    "build-vocab --threads 2": Case(("build-vocab", *_TMP, "2", "a.txt"), ("a.txt",)),
    "build-vocab --force": Case(
        (*_COUNT, "corpus", "--k", "3", "--force"), ("corpus",), (*_COUNT, "corpus", "--k", "2")
    ),
    "build-vocab --subword": Case(
        (*_COUNT, "a.txt", "--subword", "bpe", "--max-size", "300"), ("a.txt",)
    ),
    "build-vocab --shard": Case((*_COUNT, "corpus", "--k", "3", "--shard", "1/2"), ("corpus",)),
    "merge-vocab": Case(("merge-vocab", *_TMP, "1", *_PARTS), _PARTS),
    "pretrain": Case(_TRAIN, ("corpus", "vocab.parquet")),
    "pretrain sgld": Case((*_TRAIN, *_SAMPLES), ("corpus", "vocab.parquet")),
    "pretrain --force": Case(
        (*_TRAIN, "--force"), ("corpus", "vocab.parquet"), (*_TRAIN, *_SAMPLES)
    ),
    "embed": Case(_EMBED, ("genes.fa", "pretrained")),
    "embed --force": Case(
        (*_EMBED, "--force"), ("genes.fa", "pretrained"), (*_EMBED, "--layer", "0")
    ),
    "embed -": Case(("embed", "-", *_CPU), ("pretrained",), stdin="genes.fa"),
    "embed of a packed genome": Case(
        (*_INTERVALS, "genome.fa.gz"), ("a.bed", "genome.fa.gz", "pretrained")
    ),
    "embed of a genome": Case((*_INTERVALS, "genome.fa"), ("a.bed", "genome.fa", "pretrained")),
    "score": Case(("score", "genes.fa", *_CPU, "--batch-tokens", "2"), ("genes.fa", "pretrained")),
    "finetune": Case(_TUNE, ("labels", "pretrained")),
    "finetune --force": Case((*_TUNE, "--force"), ("labels", "pretrained"), (*_TUNE, *_SAMPLES)),
    "probe": Case(("probe", "--task", "promoter", *_CPU), ("labels", "pretrained")),
    "retrieve": Case(
        ("retrieve", "pairs.tsv", "--checkpoint", "text", *_CPU), ("pairs.tsv", "text")
    ),
}


class Place:
    """A folder of its own for each try, and the server that runs commands in it."""

    def __init__(self, base: Path, root: Path, server: "subprocess.Popen[str]") -> None:
        self.base = base
        self.root = root
        self.server = server

    def fresh(self, needs: tuple[str, ...], before: tuple[str, ...] = ()) -> None:
        """Begin with nothing but copies of some inputs, and what a command makes of them."""
        for name in needs:
            self.make(name)
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("run", "tmp", "scratch"):
            (self.root / name).mkdir(parents=True)
        for name in needs:
            source = self.base / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, self.root / "run" / name)
        if before:
            self.run(before)

    def make(self, name: str) -> None:
        """Make an input that is not there yet."""
        if not (self.base / name).exists():
            needs, words = _MADE[name]
            self.fresh(needs)
            self.run(words)
            (self.root / "run" / name).rename(self.base / name)

    def run(self, words: tuple[str, ...], at: int = 0, stdin: str | None = None) -> list[str]:
        """The operations of a command, which ends well, or is killed at one of them."""
        request = {
            "words": words, "folder": str(self.root / "run"), "root": str(self.root),
            "scratch": str(self.root / "scratch"), "at": at,
            "stdin": stdin and str(self.base / stdin),
        }  # fmt: skip
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        print(json.dumps(request), file=self.server.stdin, flush=True)
        reply = json.loads(self.server.stdout.readline())
        assert reply["code"] == (-signal.SIGKILL if at else 0), reply["said"]
        operations: list[str] = reply["operations"]
        return operations

    def files(self) -> dict[str, bytes | None]:
        """All that is there: bytes by name, None for folders."""
        return {
            str(path.relative_to(self.root)): (
                None if path.is_dir() else b"" if path.name in _CLOCK else path.read_bytes()
            )
            for path in self.root.rglob("*")
        }


def write_inputs(base: Path) -> None:
    """Write what no command makes."""
    generator = np.random.default_rng(7)

    def letters(size: int) -> str:
        return "".join(generator.choice(list("ACGT"), size))

    (base / "corpus").mkdir(parents=True)
    for name in ("a", "b"):
        lines = [f">{name}{n}\n{letters(300)}\n" for n in range(3)]
        (base / "corpus" / f"{name}.fa").write_text("".join(lines))
    (base / "genes.fa").write_text("".join(f">g{n}\n{letters(30 + n)}\n" for n in range(6)))
    genome = "".join(f">c{n}\n{letters(60)}\n" for n in range(2))
    (base / "genome.fa").write_text(genome)
    (base / "genome.fa.gz").write_bytes(gzip.compress(genome.encode(), mtime=0))
    (base / "a.bed").write_text("c0\t0\t30\tx\nc1\t10\t50\ty\n")
    words = [f"w{n}" for n in range(20)]
    (base / "a.txt").write_text("\n".join(" ".join(generator.choice(words, 8)) for _ in range(40)))
    pairs = (generator.choice(words, 5) for _ in range(100))
    rows = [f"{' '.join(p)}\t{' '.join(w.upper() for w in p)}" for p in pairs]
    (base / "pairs.tsv").write_text("\n".join(rows) + "\n")
    (base / "labels").mkdir()
    rows = [f"s{n},{letters(20)}{'TATAAT' * (n % 2)}{letters(20)},{n % 2}" for n in range(40)]
    (base / "labels" / "promoter.csv").write_text("\n".join(["id,sequence,label", *rows]) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The prepared inputs and a running server."""
    folder = tmp_path_factory.mktemp("kills")
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment,
    ) as server:  # fmt: skip
        write_inputs(folder / "base")
        yield Place(folder / "base", folder / "root", server)
        assert server.stdin is not None
        server.stdin.close()


def whole(place: Place, case: Case) -> tuple[list[str], dict[str, bytes | None]]:
    """The operations of a run that is not killed, and what it leaves."""
    place.fresh(case.needs, case.before)
    operations = place.run(case.words, stdin=case.stdin)
    return operations, place.files()


def killed(place: Place, case: Case, ends: list[int]) -> dict[str, bytes | None]:
    """What is left by runs of one command that are killed, and by the last one, which is not."""
    place.fresh(case.needs, case.before)
    for at in ends:
        place.run(case.words, at, case.stdin)
    place.run(case.words, stdin=case.stdin)
    return place.files()


def differing(left: dict[str, bytes | None], wanted: dict[str, bytes | None]) -> list[str]:
    """What is lacking, too much, or of other bytes."""
    names = sorted({*left, *wanted})
    return [n for n in names if n not in left or n not in wanted or left[n] != wanted[n]]


@pytest.mark.parametrize("name", ["build-vocab --threads 2", "merge-vocab", "embed", "finetune"])
def test_killed_near_the_end_and_in_between(place: Place, name: str) -> None:
    case = CASES[name]
    operations, wanted = whole(place, case)
    last = len(operations)
    for at in (last // 2, last - 2):
        assert differing(killed(place, case, [at]), wanted) == [], operations[at - 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_killed_at_every_operation(place: Place, name: str) -> None:
    case = CASES[name]
    operations, wanted = whole(place, case)
    for at, operation in enumerate(operations, 1):
        assert differing(killed(place, case, [at]), wanted) == [], (at, operation)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_killed_twice(place: Place, name: str) -> None:
    case = CASES[name]
    operations, wanted = whole(place, case)
    generator = random.Random(name)
    for _ in range(6):
        first = generator.randint(1, len(operations))
        place.fresh(case.needs, case.before)
        place.run(case.words, first, case.stdin)
        again = len(place.run(case.words, stdin=case.stdin))
        if again:
            ends = [first, generator.randint(1, again)]
            assert differing(killed(place, case, ends), wanted) == [], ends
