"""build-vocab --engine dask on a cluster of processes of this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sslkit.errors import RequeueError
from sslkit.vocab import cluster as tasks

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
        memory_limit=0,
    ) as cluster:  # fmt: skip
        yield cluster


@pytest.fixture
def on_dask(
    local: Any, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", local.scheduler_address)

    def run(*words: str, **more: Any) -> Any:
        return command("build-vocab", *words, "--engine", "dask", "--mem", "512M", **more)

    return run


def test_one_run_and_shares_and_dask_make_the_same_bytes(
    on_dask: Run, command: Run, tmp_path: Path, tiny_genome: Path
) -> None:
    words = ("corpus", "--k", "5", "--canonical", "--min-count", "2")
    done = on_dask(*words, "--tasks", "3", "--json")
    expected = (tmp_path / "vocab.parquet").read_bytes()
    assert done.json["tokens"]
    assert done.json["vocab"] == "vocab.parquet"
    assert not list(tmp_path.glob("*.parts"))
    command("build-vocab", *words, "-o", "one.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == expected
    for number in (1, 2):
        command("build-vocab", *words, "--shard", f"{number}/2")
    command("merge-vocab", "part-1-of-2", "part-2-of-2", "-o", "two.parquet")
    assert (tmp_path / "two.parquet").read_bytes() == expected
    assert "finished already" in on_dask(*words, "--tasks", "3").err


def test_subwords_and_pictures_come_the_same_way(
    on_dask: Run, command: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("some other words and some more\n" * 50)
    words = ("a.txt", "--subword", "bpe", "--max-size", "270", "--special", "<mask>", "--plot")
    done = on_dask(*words)
    assert "COUNT" in done.out
    command("build-vocab", *words, "-o", "one.parquet")
    for end in ("parquet", "tokenizer.json", "png"):
        content = (tmp_path / f"vocab.{end}").read_bytes()
        assert content == (tmp_path / f"one.{end}").read_bytes()


def test_what_is_finished_is_not_counted_again(
    on_dask: Run, tmp_path: Path, tiny_genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tasks.run

    def ended_before_the_merge(client: Any, tasks: Any, check: Any, done: Any) -> Any:
        if tasks and tasks[0].words[0] == "merge-vocab":
            raise RequeueError("stopped")
        return run(client, tasks, check, done)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run", ended_before_the_merge)
        on_dask("corpus", "--tasks", "2", check=75)
    (folder,) = tmp_path.glob("vocab.parquet.*.parts")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    assert sorted(path.name for path in before) == ["part-1-of-2", "part-2-of-2"]
    assert "2 tasks, 2 of them done" in on_dask("corpus", "--tasks", "2").err
    assert (tmp_path / "vocab.parquet").is_file()
    assert not folder.exists()
    # As after a kill between the table and the removal of the shares.
    (folder / "part-1-of-2").mkdir(parents=True)
    assert "is finished already" in on_dask("corpus", "--tasks", "2").err
    assert not folder.exists()


def test_bad_data_is_told_as_in_one_run(on_dask: Run, command: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.fa").write_text(">a\nACGT\n>b\nMKVLQE\n")
    here = command("build-vocab", "bad.fa", "--k", "3", check=3).err
    there = on_dask("bad.fa", "--k", "3", check=3).err
    assert "record 2 (b)" in here
    assert there.partition("sslkit: ")[2] == here.partition("sslkit: ")[2]
    (folder,) = tmp_path.glob("vocab.parquet.*.parts")
    assert (folder / "stop").exists()


def test_a_killed_workers_task_starts_again(
    local: Any, command: Run, tmp_path: Path, tiny_genome: Path
) -> None:
    command("build-vocab", "corpus", "-o", "one.parquet")
    pids = {worker.process.pid for worker in local.workers.values()}
    words = ["build-vocab", "corpus", "--engine", "dask", "--tasks", "2", "--mem", "512M"]
    with subprocess.Popen(
        [sys.executable, "-m", "sslkit", *words, "--scheduler", local.scheduler_address],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 120
        busy: list[int] = []
        while not busy and time.monotonic() < deadline and process.poll() is None:
            busy = [pid for pid in pids if counting(pid)]
            time.sleep(0.02)
        assert busy, process.stderr and process.stderr.read()
        os.kill(busy[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert (tmp_path / "vocab.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def counting(worker: int) -> bool:
    """Whether a process counts a share for a worker."""
    try:
        children = psutil.Process(worker).children(recursive=True)
        return any("--shard" in " ".join(child.cmdline()) for child in children)
    except psutil.Error:
        return False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["corpus", "--engine", "dask"], "DASK_SCHEDULER_ADDRESS"),
        (["corpus", "--tasks", "3"], "--engine dask"),
        (["corpus", "--engine", "dask", "--scheduler", "a:1", "--shard", "1/2"], "--shard"),
        (["-", "--domain", "text", "--engine", "dask", "--scheduler", "a:1"], "standard input"),
    ],
)
def test_what_does_not_fit_is_refused(
    command: Run, tiny_genome: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    assert message in command("build-vocab", *words, check=2).err


def test_a_missing_library_is_named_with_its_extra(
    command: Run, tiny_genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    done = command("build-vocab", "corpus", "--engine", "dask", "--scheduler", "a:1", check=2)
    assert "sslkit[dask]" in done.err


def test_a_scheduler_that_is_not_there_is_named(
    command: Run, tiny_genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(tasks, "_CONNECT", 0.5)
    words = ("--engine", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert "tcp://127.0.0.1:1" in command("build-vocab", "corpus", *words, check=4).err
