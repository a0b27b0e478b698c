"""sslkit slurm: what is asked of the scheduler, and jobs that a stand-in for it runs."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.stages.slurm import run as slurm

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=2", "--set", "width=16", "--set", "heads=2", "--steps", "40",
    "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--device", "cpu",
)  # fmt: skip

_SCONTROL = """
    #!/bin/bash
    case $1 in
        requeue) touch "requeue-$2" ;;
        show) echo localhost ;;
    esac
"""
#: Starts the tasks, hands USR1 on to all of them, and ends with the highest of their exit codes.
_SRUN = """
    #!/bin/bash
    while [[ $1 == --* ]]; do shift; done
    for ((n = 0; n < SLURM_NTASKS; n++)); do
        SLURM_PROCID=$n SLURM_LOCALID=$n "$@" &
        tasks+=($!)
    done
    trap 'again=yes; kill -USR1 "${tasks[@]}"' USR1
    worst=0
    for task in "${tasks[@]}"; do
        again=yes
        while [[ $again ]]; do again=; wait "$task"; code=$?; done
        ((code > worst)) && worst=$code
    done
    exit "$worst"
"""


class Scheduler:
    """Runs job files as SLURM does: a batch shell, a log that grows, a queue."""

    def __init__(self, folder: Path, tasks: int) -> None:
        self.folder = folder
        self.tasks = tasks
        for name, text in (("scontrol", _SCONTROL), ("srun", _SRUN)):
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip())
            path.chmod(0o755)

    def run(
        self, job: str, tell: signal.Signals | None = None, when: Callable[[], bool] | None = None
    ) -> tuple[int, bool]:
        """Run the file once, send the batch shell a signal; its exit code, whether it is queued."""
        number = str(_free_port() - 10_000)
        mark = self.folder / f"requeue-{number}"
        mark.unlink(missing_ok=True)
        here = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "SLURM_JOB_ID": number,
            "SLURM_CPUS_PER_TASK": "1",
            "SLURM_NTASKS": str(self.tasks),
            "SLURM_JOB_NODELIST": "localhost",
        }
        with (
            (self.folder / "job.log").open("a") as log,
            subprocess.Popen(
                ["bash", job], cwd=self.folder, env={**os.environ, **here}, stdout=log, stderr=log
            ) as process,
        ):
            if when is not None and tell is not None:
                while process.poll() is None and not when():
                    time.sleep(0.02)
                process.send_signal(tell)
            code = process.wait(timeout=200)
        return code, mark.exists()


def _free_port() -> int:
    """One of those that a job may take."""
    for port in range(10_000 + os.getpid() % 9_000, 30_000):
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)):
                return port
    raise AssertionError("no port is free")


def rows(run: Path) -> int:
    metrics = run / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.is_file() else 0


def doing(work: str) -> str:
    """A job with other work than sslkit's."""
    lines = slurm.script(options_of()).splitlines()
    return "\n".join(f"command=({work})" if x.startswith("command=") else x for x in lines)


def options_of(**changes: Any) -> slurm.Options:
    defaults = {
        "command": ["pretrain"], "time": "1:00:00", "notice": 180, "mem": None, "cpus": None,
        "gpus": 0, "nodes": 1, "processes": None, "partition": None, "account": None,
        "name": None, "array": None,
    }  # fmt: skip
    return slurm.Options(**(defaults | changes))


def directives(script: str) -> list[str]:
    head = "#SBATCH --"
    return [line.removeprefix(head) for line in script.splitlines() if line.startswith(head)]


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_job_goes_on_where_its_time_ran_out(
    tmp_path: Path, tiny_vocab: Path, command: Command, processes: int
) -> None:
    queue = Scheduler(tmp_path, processes)
    for name in ("whole", "parts"):
        words = ("--processes", str(processes), "--out", f"{name}.sh", "--", *TINY, "-o", name)
        command("slurm", *words)
    assert queue.run("whole.sh") == (0, False)
    parts = tmp_path / "parts"
    assert queue.run("parts.sh", signal.SIGUSR1, lambda: rows(parts) >= 5) == (75, True)
    assert not (parts / "checkpoint.pt").exists()
    assert queue.run("parts.sh") == (0, False)
    log = (tmp_path / "job.log").read_text()
    assert "stopped by SIGUSR1: step" in log
    assert "continuing parts at step" in log
    for name in ("checkpoint.pt", "metrics.jsonl"):
        assert (parts / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("tell", "code", "expected"),
    [
        (signal.SIGUSR1, 75, (75, True)),
        (signal.SIGUSR1, 0, (0, False)),
        (signal.SIGUSR1, 3, (3, False)),
        (signal.SIGTERM, 75, (143, False)),
        (signal.SIGTERM, 1, (1, False)),
        (None, 75, (75, True)),
        (None, 4, (4, False)),
        (None, 0, (0, False)),
    ],
)
def test_queued_again_after_75_only(
    tmp_path: Path, tell: signal.Signals | None, code: int, expected: tuple[int, bool]
) -> None:
    """The work takes its time after the signal, as the end of a step does."""
    wait = "trap 'sleep 0.3; exit $0' USR1 TERM; touch there; while :; do sleep 0.05; done"
    work = shlex.join(["bash", "-c", wait if tell else "exit $0", str(code)])
    (tmp_path / "job.sh").write_text(doing(work))
    there = (tmp_path / "there").exists
    assert Scheduler(tmp_path, 1).run("job.sh", tell, there if tell else None) == expected


def test_a_signal_that_comes_before_the_work_is_known(tmp_path: Path) -> None:
    wait = "trap 'exit 75' USR1; touch there; while :; do sleep 0.05; done"
    early = "until [[ -e there ]]; do sleep 0.02; done; kill -USR1 $$"
    job = doing(shlex.join(["bash", "-c", wait]))
    assert job.count("\nwork=$!\n") == 1
    (tmp_path / "job.sh").write_text(job.replace("\nwork=$!\n", f"\n{early}\nwork=$!\n"))
    assert Scheduler(tmp_path, 1).run("job.sh") == (75, True)


@settings(max_examples=40)
@given(words=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_words_reach_the_command_as_they_are(words: list[str]) -> None:
    script = slurm.script(options_of(command=["pretrain", *words]))
    begin = script.index("command=(")
    end = script.index("\n\n# B: above")
    print_all = f"{script[begin:end]}\nprintf '%s\\0' \"${{command[@]}}\""
    done = subprocess.run(["bash", "-c", print_all], capture_output=True, check=True)
    heard = done.stdout.decode().split("\0")[:-1]
    assert heard == [sys.executable, "-m", "sslkit", "pretrain", *words]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["job-name=sslkit-pretrain", "time=1:00:00", "cpus-per-task=1", "ntasks-per-node=1",
              "signal=B:USR1@180", "open-mode=append", "requeue",
              "output=sslkit-pretrain-%j.log"]),
        ({"threads": 6}, ["cpus-per-task=6"]),
        ({"cpus": 6, "threads": 6, "mem": "16G"}, ["cpus-per-task=6", "mem=16G"]),
        ({"gpus": 4, "nodes": 2}, ["gpus-per-node=4", "ntasks-per-node=4", "nodes=2"]),
        ({"partition": "long", "account": "me", "name": "x"},
         ["partition=long", "account=me", "job-name=x", "output=x-%j.log"]),
        ({"command": ["build-vocab", "c"], "array": 8},
         ["array=1-8", "output=sslkit-build-vocab-%A_%a.log"]),
    ],
)  # fmt: skip
def test_what_the_scheduler_is_told(changes: dict[str, Any], lines: list[str]) -> None:
    script = slurm.script(options_of(**changes))
    assert set(lines) <= set(directives(script))
    done = subprocess.run(["bash", "-n"], input=script.encode(), capture_output=True, check=True)
    assert not done.stderr
    if "array" in changes:
        assert 'build-vocab c --shard "$SLURM_ARRAY_TASK_ID/8")' in script


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("2:30", 150), ("1:00:00", 3600), ("1-0", 86_400), ("1-1:30", 91_800),
     ("2-00:00:10", 172_810)],
)  # fmt: skip
def test_times(time: str, seconds: int) -> None:
    slurm.script(options_of(time=time, notice=seconds - 1))
    with pytest.raises(slurm.UsageError, match="is over before --notice"):
        slurm.script(options_of(time=time, notice=seconds))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--", "nothing"), "no command 'nothing'"),
        (("--", "slurm"), "no command 'slurm'"),
        (("--", "pretrain", "--kk", "3"), "No such option: --kk"),
        (("--", "pretrain", "--k", "x"), "should be a valid integer"),
        (("--time", "soon", "--", "pretrain"), "no time that SLURM accepts"),
        (("--mem", "lots", "--", "pretrain"), "no size that SLURM accepts"),
        (("--name", "a\n#SBATCH", "--", "pretrain"), "no name that SLURM accepts"),
        (("--processes", "2", "--", "embed", "x.fa"), "embed is one process"),
        (("--nodes", "2", "--", "build-vocab", "x"), "build-vocab is one process"),
        (("--gpus", "1", "--processes", "2", "--", "pretrain"), "cannot share 1 GPU"),
        (("--array", "2", "--", "pretrain"), "no --shard for --array"),
        (("--array", "2", "--", "build-vocab", "x", "--shard=1/2"), "leave --shard out"),
        (("--cpus", "2", "--", "pretrain", "--threads", "4"), "do not agree"),
    ],
)
def test_refusals(command: Command, words: tuple[str, ...], message: str) -> None:
    refused = command("slurm", *words, check=2)
    assert message in " ".join(refused.err.split())
    assert not refused.out


def test_a_file_or_stdout(command: Command, tmp_path: Path) -> None:
    words = ("--cpus", "2", "--", "pretrain", "--k", "3")
    shown = command("slurm", *words).out
    command("slurm", "--out", "job.sh", *words)
    assert (tmp_path / "job.sh").read_text() == shown
    assert "job.sh exists" in command("slurm", "--out", "job.sh", *words, check=2).err
    command("slurm", "--out", "job.sh", "--force", *words)
    assert json.loads(command("slurm", "--json", *words).out) == {"script": shown}
