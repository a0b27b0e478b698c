"""Standard streams that are closed, abandoned, full, or of few letters do not stop the work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_SSLKIT = [sys.executable, "-m", "sslkit"]
_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def abandoned() -> Iterator[int]:
    """The end of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``sslkit`` in ``tmp_path`` with streams as ``subprocess.run`` takes them."""

    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", **more.pop("env", {})}
        return subprocess.run([*_SSLKIT, *words], cwd=tmp_path, env=env, check=False, **more)

    return run


def closing(*numbers: int) -> Callable[[], None]:
    """What closes standard streams between fork and exec."""
    return lambda: [os.close(number) for number in numbers] and None


def test_every_stage_ends_its_work_when_nobody_reads(
    run: Run, tmp_path: Path, tiny_genome: Path, tiny_labels: Path, abandoned: int
) -> None:
    quick = ("--steps", "2", "--threads", "1")
    small = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--window", "64")
    chain = {
        "vocab.parquet": ("build-vocab", "corpus", "--k", "3"),
        "pretrained/checkpoint.pt": ("pretrain", *quick, *small),
        "embeddings.parquet": ("embed", "corpus/genes.fa"),
        "finetuned/promoter/checkpoint.pt": ("finetune", "--task", "promoter", *quick),
    }
    for name, words in chain.items():
        done = run(*words, stdout=abandoned, stderr=abandoned)
        assert (done.returncode, (tmp_path / name).is_file()) == (0, True), words


@pytest.mark.parametrize("closed", [(2,), (1,), (0, 1, 2)], ids=str)
def test_closed_streams(run: Run, tmp_path: Path, tiny_genome: Path, closed: tuple[int]) -> None:
    done = run("build-vocab", "corpus", "--json", preexec_fn=closing(*closed), capture_output=True)
    assert done.returncode == 0
    assert not done.stderr or 2 not in closed
    assert json.loads(done.stdout)["vocab"] == "vocab.parquet" if 1 not in closed else True
    # No message was written into a file that had got the number of a stream.
    run("build-vocab", "corpus", "-o", "open.parquet", capture_output=True)
    assert (tmp_path / "vocab.parquet").read_bytes() == (tmp_path / "open.parquet").read_bytes()


@pytest.mark.parametrize("words", [("--help",), ("show",), ("embed", "--help")], ids=str)
def test_a_reader_of_results_may_go_away(run: Run, abandoned: int, words: tuple[str]) -> None:
    done = run(*words, stdout=abandoned, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code"),
    [(("build-vocab", "absent"), 2), (("build-vocab", "--nonsense"), 2), (("show", "x"), 2)],
    ids=str,
)
def test_errors_keep_their_code_when_nobody_reads(
    run: Run, abandoned: int, words: tuple[str], code: int
) -> None:
    assert run(*words, stdout=abandoned, stderr=abandoned).returncode == code


@_FULL
@pytest.mark.parametrize(
    ("words", "code"),
    [(("build-vocab", "absent"), 2), (("--help",), 4), (("show",), 4), (("show", "--json"), 4)],
    ids=str,
)
def test_results_that_cannot_be_stored(run: Run, words: tuple[str], code: int) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*words, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr
        assert run(*words, stdout=full, stderr=full).returncode == code


@_FULL
def test_a_log_on_a_full_disk(run: Run, tmp_path: Path, tiny_genome: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("build-vocab", "corpus", "--json", stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0
    assert json.loads(done.stdout)["vocab"] == "vocab.parquet"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_that_stdout_cannot_say(run: Run, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "Bölümµ_ДНК.fa").write_text(">Ж1\nACGTACGTACGT\n")
    env = {"PYTHONIOENCODING": encoding}
    done = run("inspect", "Bölümµ_ДНК.fa", env=env, capture_output=True)
    assert done.returncode == 0
    assert rb"\u0414\u041d\u041a.fa" in done.stdout
