"""Requests to stop from the first moment of a process to its last."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit.engine.signals import stopping
from sslkit.errors import RequeueError
from sslkit.machine import interrupts

_SSLKIT = [sys.executable, "-m", "sslkit"]
#: The plug-in imports torch.
_SHOW = [*_SSLKIT, "show", "objective", "mlm"]
#: What is loaded as torch: a request comes, and no answer within half a minute.
_LOADING = "import os, signal, time\nos.kill(os.getpid(), signal.{})\ntime.sleep({})\n"


def run(code: str, *words: str) -> int:
    """The exit code of a process that runs some code."""
    return subprocess.run([sys.executable, "-c", code, *words], check=False).returncode


def test_the_exit_code_says_that_a_job_may_be_queued_again() -> None:
    assert RequeueError.exit_code == interrupts._REQUEUE


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_a_request_while_libraries_are_loaded(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "torch.py").write_text(_LOADING.format(number.name, 30))
    start = time.monotonic()
    done = subprocess.run(_SHOW, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 75
    assert number.name.encode() in done.stderr
    assert time.monotonic() - start < 25


def test_nohup(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(_LOADING.format("SIGHUP", 0) + "raise SystemExit(9)\n")
    done = subprocess.run(
        _SHOW,
        cwd=tmp_path,
        check=False,
        preexec_fn=lambda: signal.signal(1, signal.SIG_IGN) and None,
    )
    assert done.returncode == 9


def test_a_request_before_the_process_begins_anew() -> None:
    again = "from sslkit.machine import interrupts; interrupts.leave_at_once()"
    code = f"""
import os, signal, sys
from sslkit.machine import interrupts
interrupts.leave_at_once()
with interrupts.held_back():
    os.kill(os.getpid(), signal.SIGTERM)
    os.execv(sys.executable, [sys.executable, "-c", {again!r}])
"""
    assert run(code) == 75


@pytest.mark.parametrize(("words", "code"), [(["show"], 0), (["show", "nothing"], 2)])
def test_a_request_after_the_work(words: list[str], code: int) -> None:
    begin = """
import atexit, os, signal
from sslkit import __main__
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
__main__.main()
"""
    assert run(begin, *words) == code


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_a_request_in_a_stage_that_keeps_nothing(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    reached = []

    def inspected(*_: object) -> None:
        os.kill(os.getpid(), number)
        reached.append("behind the signal")

    monkeypatch.setattr("sslkit.stages.show.run.run", inspected)
    assert number.name in command("show", check=75).err
    assert not reached


def test_a_request_between_loading_and_work_is_not_lost(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []

    def worked(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except RequeueError:
            reached.append("taken for something else")
        with stopping():
            reached.append("worked")

    monkeypatch.setattr("sslkit.stages.show.run.run", worked)
    command("show", check=75)
    assert reached == ["taken for something else"]


def test_a_request_behind_the_work_of_a_stage_changes_nothing(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*_: object) -> None:
        with stopping():
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("sslkit.stages.show.run.run", worked)
    command("show")


def test_a_request_while_an_error_is_told(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*_: object) -> None:
        try:
            with stopping():
                raise RequeueError("stopped by SIGUSR1")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("sslkit.stages.show.run.run", failed)
    assert "SIGUSR1" in command("show", check=75).err


@pytest.mark.skipif(sys.platform != "linux", reason="locks a mutex of glibc twice")
def test_a_request_while_a_library_waits() -> None:
    code = """
import ctypes, os, signal, threading
from sslkit.machine import interrupts
from sslkit.engine import signals
interrupts.leave_at_once()
mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
lock(mutex)
with signals.leaving():
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    lock(mutex)
"""
    assert run(code) == 75
