"""sslkit pretrain by two processes that are killed, told to stop, and go on in another way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from sslkit.artifacts import checkpoint

Command = Callable[..., Any]

TINY = (
    "pretrain", "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1",
    "--device", "cpu", "--checkpoint-every", "0.2", "--micro-tokens", "96",
)  # fmt: skip
MLM = (*TINY, "--set", "blocks=2", "--set", "width=16", "--set", "heads=2")
#: By windows: with gradients of single rows.
PAIRS = (*TINY, "--objective", "skipgram", "--model", "skipgram", "--set", "algorithm=sampled")
SECONDS = 200


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path) -> Path:
    return tmp_path


@contextmanager
def torchrun(folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "sslkit", *words],
        cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        workers: list[psutil.Process] = []
        try:
            yield process
            workers = psutil.Process(process.pid).children() if process.poll() is None else []
        finally:
            for each in (*workers, process):
                each.kill()


def losses(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [row[name] for row in map(json.loads, lines) for name in row if "loss" in name]


def struck(
    folder: Path, run: str, words: tuple[str, ...], after: int, number: signal.Signals, *, all: bool
) -> str:
    """Send a signal to one worker, or to torchrun, when so many steps are done; what was said."""
    metrics, state = (folder / run / name for name in ("metrics.jsonl", "state.pt"))
    with torchrun(folder, *words, "-o", run) as process:
        limit = time.monotonic() + SECONDS
        while not (state.is_file() and metrics.read_bytes().count(b"\n") >= after):
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.02)
        worker = psutil.Process(process.pid).children()[-1]
        (process if all else worker).send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode != 0
    assert not (folder / run / "checkpoint.pt").exists()
    return said


def test_two_are_struck_and_one_ends_what_they_began(folder: Path, command: Command) -> None:
    """Kept by two that hold all, continued by two that hold parts, then by one."""
    words = (*MLM, "--steps", "120")
    command(*words, "-o", "whole")
    said = struck(folder, "parts", words, 20, signal.SIGKILL, all=False)
    assert "SIGKILL" in said
    kept = checkpoint.read_tensors(folder / "parts/state.pt")["position"]["step"]
    # Torchrun dies of it and its processes are told so.
    sharded = (*words, "--parallel", "fsdp")
    said = struck(folder, "parts", sharded, kept + 20, signal.SIGUSR1, all=True)
    assert f"continuing parts at step {kept}" in said
    assert said.count("stopped by SIGTERM: step") == 2
    assert "continuing parts at step" in command(*words, "-o", "parts").err
    assert losses(folder / "parts") == pytest.approx(losses(folder / "whole"), rel=1e-4, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "number", "all"),
    [
        ((*MLM, "--set", "dropout=0.1"), signal.SIGKILL, False),
        ((*MLM, "--set", "dropout=0.1"), signal.SIGUSR1, False),
        ((*MLM, "--parallel", "fsdp"), signal.SIGKILL, False),
        ((*MLM, "--parallel", "fsdp"), signal.SIGTERM, True),
        (PAIRS, signal.SIGKILL, False),
        (PAIRS, signal.SIGUSR1, False),
    ],
)
def test_two_go_on_to_the_same_bytes(
    folder: Path, words: tuple[str, ...], number: signal.Signals, all: bool
) -> None:
    words = (*words, "--steps", "100")
    struck(folder, "parts", words, 20, number, all=all)
    for run in ("whole", "parts"):
        with torchrun(folder, *words, "-o", run) as process:
            _, said = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, said
    for name in ("checkpoint.pt", "metrics.jsonl"):
        assert (folder / "parts" / name).read_bytes() == (folder / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "equal"),
    [
        (PAIRS, True),
        # It compares the rows of a micro-batch: two make other ones.
        pytest.param((*MLM, "--objective", "mlm+contrastive", "--parallel", "fsdp"), False,
                     marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_two_learn_as_one(
    folder: Path, command: Command, words: tuple[str, ...], equal: bool
) -> None:
    words = (*words, "--steps", "12")
    with torchrun(folder, *words, "-o", "two") as process:
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    if equal:
        command(*words, "-o", "one")
        one, two = (checkpoint.load(folder / run).tensors for run in ("one", "two"))
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
        assert losses(folder / "two") == pytest.approx(losses(folder / "one"), rel=1e-4)
