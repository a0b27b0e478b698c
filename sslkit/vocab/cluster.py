"""Commands of sslkit as tasks of a Dask cluster, each from files to files, each to be repeated.

Dask starts them and sees that they end, no more: no data goes through it. A task is a process of
its own on a worker's machine, so that it keeps its budget of memory whatever the worker holds.
"""

import fcntl
import hashlib
import importlib
import importlib.util
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.errors import ResourceError, SslkitError, UsageError
from sslkit.files import atomic
from sslkit.vocab import shares

#: How often a task is tried whose process was ended from outside.
_ATTEMPTS = 4
_CONNECT = 30
_POLL = 0.5
_REQUEUE = 75


@dataclass(frozen=True)
class Task:
    """A command and where it runs; everything a worker must know.

    Attributes:
        words: the command line behind ``sslkit``; where ``share`` is set, ``--out`` is added.
        folder: the working directory, the same on all machines.
        share: the folder that the command makes; one that is there is not made again.
        stop: a file whose appearance ends the task.
    """

    words: tuple[str, ...]
    folder: str
    stop: str
    share: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code (below 0: by a signal), and what it printed."""

    code: int
    out: str = ""
    err: str = ""


def check() -> None:
    """See that Dask is there, without the time that it takes to load.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("--engine dask needs an extra package", do="pip install 'sslkit[dask]'")


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler with this address, or that wrote this file.

    Raises:
        ResourceError: it does not answer.
    """
    distributed = importlib.import_module("distributed")
    # What goes wrong is said once, by us.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    place = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    try:
        client = distributed.Client(**place, timeout=_CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ResourceError(
            "no Dask scheduler answers", where=address, why=str(error), do="start one, or see to "
            "its address",
        ) from error  # fmt: skip
    try:
        yield client
    finally:
        client.close()


def run(
    client: Any, tasks: Sequence[Task], check: Callable[[], None], done: Callable[[], None]
) -> list[Outcome]:
    """Run tasks on a cluster, in any order; those whose process was ended run again.

    Args:
        check: called often; may end the work.
        done: called for each task that has ended well.

    Returns:
        their outcomes, in order of the tasks.

    Raises:
        SslkitError: one of them failed, as it says.
        ResourceError: workers died over one of them.
    """
    futures = {client.submit(perform, task, pure=False): n for n, task in enumerate(tasks)}
    attempts = [1] * len(tasks)
    found: dict[int, Outcome] = {}
    try:
        while futures:
            check()
            for future in [future for future in futures if future.done()]:
                number = futures.pop(future)
                outcome = _outcome(future)
                if outcome.code == 0:
                    found[number] = outcome
                    done()
                elif _ended(outcome) and attempts[number] < _ATTEMPTS:
                    attempts[number] += 1
                    futures[client.submit(perform, tasks[number], pure=False)] = number
                else:
                    raise _error(outcome)
            time.sleep(_POLL / 5)
    finally:
        client.cancel(list(futures))
    return [found[number] for number in range(len(tasks))]


def _ended(outcome: Outcome) -> bool:
    """Whether a process did not end by itself."""
    return outcome.code < 0 or outcome.code == _REQUEUE


def _outcome(future: Any) -> Outcome:
    if future.status == "finished":
        held: Outcome = future.result()
        return held
    if future.status != "error":
        raise ResourceError(
            "the Dask scheduler went away", why=f"a task is {future.status}",
            do="start another one; the same command continues",
        )  # fmt: skip
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        raise ResourceError(
            "workers died over a task",
            why=str(error),
            do="give them more memory than --mem, and time enough for a task",
        )
    raise SslkitError(
        "a worker cannot run a task",
        why=repr(error),
        do="install the same sslkit on the workers, and let them see the same files",
    )


def _error(outcome: Outcome) -> SslkitError:
    """What a command said as an error of ours."""
    _, _, text = outcome.err.rpartition("sslkit: ")
    kinds = {kind.exit_code: kind for kind in SslkitError.__subclasses__()}
    kind = kinds.get(outcome.code, SslkitError)
    what, *lines = text.strip().splitlines() or [f"a task ended with {outcome.code}"]
    details = dict(line.strip().split(": ", 1) for line in lines if ": " in line)
    return kind(what, **{name: details.get(name, "") for name in ("where", "why", "do")})


def perform(task: Task) -> Outcome:
    """Run a command on this machine; what it makes is there as a whole, or not at all."""
    if task.share is None:
        return _process(task, task.words)
    share = Path(task.share)
    # Of its own for each machine, should the scheduler take a slow worker for a dead one.
    mine = share.with_name(f".{share.name}.{platform.node()}")
    with _alone(share) as lock:
        if share.is_dir():
            return Outcome(0)
        command, *others = task.words
        outcome = _process(task, (command, f"--out={mine}", *others), lock)
        if outcome.code == 0:
            try:
                mine.rename(share)
            except OSError as error:
                if not share.is_dir():
                    return Outcome(ResourceError.exit_code, err=f"{share}: {error}")
                shares.remove(mine)
        return outcome


@contextmanager
def _alone(share: Path) -> Iterator[int]:
    """Wait until no process of this machine is at a share, not even one whose worker has died.

    Yields:
        a file descriptor; whoever holds it holds the lock.
    """
    name = hashlib.sha256(str(share).encode()).hexdigest()[:20]
    path = Path(tempfile.gettempdir()) / f"sslkit-task-{os.getuid()}-{name}.lock"
    with ExitStack() as stack:
        with atomic.writing(path):
            stream = stack.enter_context(path.open("w"))
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield stream.fileno()
        finally:
            path.unlink(missing_ok=True)


def _process(task: Task, words: Sequence[str], *keep: int) -> Outcome:
    # What decides the outcome stands in the words, not in the worker's environment.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SSLKIT_")}
    with subprocess.Popen(
        [sys.executable, "-m", "sslkit", *words],
        cwd=task.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", pass_fds=keep,
    ) as process:  # fmt: skip
        while True:
            try:
                out, err = process.communicate(timeout=_POLL)
                return Outcome(process.returncode, out, err)
            except subprocess.TimeoutExpired:
                if Path(task.stop).exists():
                    process.terminate()
