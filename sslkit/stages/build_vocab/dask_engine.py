"""build-vocab --engine dask: count the shares of a corpus, and merge them, on a Dask cluster.

The corpus is divided into as many shares as there will be tasks; each task counts one as --shard
does, into a folder beside the table that all machines must see; when all are counted, one more task
merges them as merge-vocab does, and the folder is removed. A share that was counted is not counted
again: the task of a killed worker starts anew elsewhere, and the same command continues what an
earlier one left.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.console import Console, human
from sslkit.engine.signals import Stop
from sslkit.errors import UsageError
from sslkit.files import atomic, pipes
from sslkit.stages.build_vocab import plot
from sslkit.vocab import cluster, shares
from sslkit.vocab.cluster import Task

_ADDRESS = "DASK_SCHEDULER_ADDRESS"
_TASK_BYTES = 1 << 28
#: The file that ends the tasks.
_STOP = "stop"
#: The options that are passed on to a task as they are.
_OPTIONS = (
    *("domain", "k", "sequence_column", "label_column", "id_column", "canonical", "mem"),
    *("min_count", "max_size", "special", "subword", "tmp", "set", "on_error"),
)


@dataclass(frozen=True)
class Job:
    """What is to be counted.

    Attributes:
        options: of build-vocab.
        identity: all that decides the bytes of the shares, in the types of JSON.
    """

    out: Path
    files: list[Path]
    options: Any
    identity: Any


def check(options: Any, files: list[Path]) -> None:
    """Refuse at once what could not be done at the end.

    Raises:
        UsageError: an option does not fit, or the extra package is missing.
    """
    if options.engine != "dask":
        if options.scheduler or options.tasks:
            raise UsageError("--scheduler and --tasks are for --engine dask")
        return
    if options.shard is not None:
        raise UsageError("--engine dask divides the corpus itself", do="leave --shard out")
    if any(map(pipes.is_pipe, files)):
        raise UsageError("workers cannot read this standard input, or pipe", do="name files")
    if not _address(options):
        raise UsageError(
            "--engine dask needs a scheduler", do=f"name it with --scheduler, or set {_ADDRESS}"
        )
    cluster.check()


def _address(options: Any) -> str:
    return str(options.scheduler or os.environ.get(_ADDRESS, ""))


def tidy(job: Job) -> None:
    """Remove the shares of a finished table, left by a process that was killed."""
    if job.options.engine == "dask":
        _remove(_shares(job)[0])


def _shares(job: Job) -> tuple[Path, int]:
    """The folder of the shares, and their number."""
    number = job.options.tasks or max(
        1, -(-sum(f.stat().st_size for f in job.files) // _TASK_BYTES)
    )
    text = json.dumps([job.identity, number], sort_keys=True, default=str)
    name = f"{job.out.name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}.parts"
    return job.out.absolute().with_name(name), number


def run(job: Job, console: Console, stop: Stop) -> None:
    """Count and merge on a cluster.

    Raises:
        SslkitError: a task failed, with the task's own message.
        ResourceError: no scheduler answers, or workers died of a task.
        RequeueError: a signal came; the same command continues.
    """
    out = job.out.absolute()
    folder, number = _shares(job)
    parts = [folder / shares.name((n + 1, number)) for n in range(number)]
    marker = folder / _STOP
    here, end = str(Path.cwd()), str(marker)
    missing = [n for n, part in enumerate(parts) if not part.is_dir()]
    counts = [
        Task(_count(job.options, f"{n + 1}/{number}"), here, end, str(parts[n])) for n in missing
    ]
    merge = ["merge-vocab", "--json", "--force", f"--mem={job.options.mem}", f"--out={out}"]
    if job.options.tmp:
        merge.append(f"--tmp={job.options.tmp}")

    def check() -> None:
        stop.check(f"finished shares are in {folder}")

    with cluster.connected(_address(job.options)) as client:
        with atomic.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            marker.unlink(missing_ok=True)
        workers = len(client.nthreads())
        console.say(f"{number} tasks, {number - len(missing)} of them done; {workers} workers")
        try:
            with console.progress("count", len(missing), "tasks") as progress:
                cluster.run(client, counts, check, lambda: progress.advance(1))
            merging = Task((*merge, *map(str, parts)), here, end)
            (merged,) = cluster.run(client, [merging], check, lambda: None)
        except BaseException:
            # Tasks that still run end, and keep their spills.
            with suppress(OSError):
                marker.touch()
            raise
    _remove(folder)
    _report(job, json.loads(merged.out), console)


def _remove(folder: Path) -> None:
    """Remove the shares in a folder, whole or not, and the other files of the engine."""
    if not folder.is_dir():
        return
    for part in folder.iterdir():
        shares.remove(part)
    (folder / _STOP).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _count(options: Any, shard: str) -> tuple[str, ...]:
    """The command line of a task that counts."""
    words = ["build-vocab", "--quiet", f"--threads={options.threads or 1}", f"--shard={shard}"]
    for name in _OPTIONS:
        value = getattr(options, name)
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif isinstance(value, list | tuple):
            words += [f"{flag}={item}" for item in value]
        elif value is not None and value is not False:
            words.append(f"{flag}={value}")
    return (*words, "--", *map(str, options.corpus))


def _report(job: Job, results: dict[str, Any], console: Console) -> None:
    console.say(f"{human(results['tokens'])} tokens, {human(results['distinct'])} distinct")
    console.say(f"wrote {job.out} ({human(results['size'])} tokens)")
    drawn, text = plot.draw(job.out, console) if job.options.plot else ({}, "")
    console.result({**results, **drawn, "vocab": str(job.out)}, text)
