"""Counting the tokens of a corpus in several threads, each with its own parts and spills."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.console import Console, Progress, plural
from sslkit.engine.signals import Stop
from sslkit.files import pipes
from sslkit.files.folders import Listing
from sslkit.vocab import budget, counting, parts, workplace
from sslkit.vocab.budget import Plan
from sslkit.vocab.contents import Contents
from sslkit.vocab.external_sort import runs
from sslkit.vocab.external_sort.runs import Spill
from sslkit.vocab.inputs import Inputs
from sslkit.vocab.parts import Part
from sslkit.vocab.scheme import Scheme


@dataclass(frozen=True)
class Job:
    """What a run counts, and within which bounds.

    Attributes:
        shard: number, from 1, and count of the shares of the corpus.
        workers: threads that count at once.
    """

    out: Path
    listing: Listing
    scheme: Scheme
    inputs: Inputs
    plan: Plan
    canonical: bool
    shard: tuple[int, int]
    workers: int
    corpus: Contents

    @property
    def files(self) -> list[Path]:
        """The files, in the order in which they are counted."""
        return list(self.listing.files)

    @property
    def has_pipe(self) -> bool:
        """Whether a file can be read only once."""
        return any(map(pipes.is_pipe, self.files))


def count(job: Job, folder: Path, console: Console, stop: Stop) -> tuple[list[Spill], Counter[str]]:
    """Count the tokens that an interrupted run has not counted yet.

    Args:
        folder: for the spills; it may have those of an interrupted run.

    Returns:
        all spills, and counts of bad records, empty files and the like.

    Raises:
        RequeueError: a signal came; the spills are kept.
    """
    number, shards = job.shard
    divided = [
        parts.divide(job.files, job.inputs.mark, (number - 1) * job.workers + worker + 1,
                     shards * job.workers)
        for worker in range(job.workers)
    ]  # fmt: skip
    # Files that cannot be divided leave some workers without parts.
    assigned = [worker_parts for worker_parts in divided if worker_parts] or [[]]
    with console.progress("count", _bytes(job, assigned), "bytes") as progress:
        failed = threading.Event()
        watch = counting.Watch(lambda: bool(stop) or failed.is_set(), _locked(progress))
        # Another number of workers divides the corpus in another way.
        names = [f"lane{n}-of-{job.workers}" for n in range(len(assigned))]
        workplace.drop_others(folder, "lane*", kept=names)
        workers = [
            _worker(job, worker_parts, len(assigned), folder / name, watch)
            for worker_parts, name in zip(assigned, names, strict=True)
        ]
        if resumed := sum(len(worker.spills) for worker in workers):
            console.say(f"goes on after {plural(resumed, 'run')} in {folder}")
        with ThreadPoolExecutor(len(workers)) as pool:
            tasks = [pool.submit(_run, worker, failed) for worker in workers]
        for error in [error for task in tasks if (error := task.exception())]:
            if not isinstance(error, counting.StoppedError):
                raise error
        spills = [spill for worker in workers for spill in worker.spills]
        stop.check(f"{plural(len(spills), 'run')} in {folder}")
    return spills, sum((worker.tally for worker in workers), Counter())


def _worker(
    job: Job, worker_parts: list[Part], workers: int, folder: Path, watch: counting.Watch
) -> counting.Count:
    """The count of a worker, with its share of the memory and threads."""
    with runs.explained(folder):
        folder.mkdir(exist_ok=True)
    memory = budget.share(job.plan, workers)
    threads = job.workers // workers
    store = counting.store_for(job.scheme, job.canonical, memory, job.plan.compiled, threads)
    files = counting.Files(worker_parts, job.inputs.open, job.inputs.on_error == "skip")
    return counting.Count(job.scheme, store, files, folder, watch)


def _run(worker: counting.Count, failed: threading.Event) -> None:
    """Run a worker; where it fails, the others stop too."""
    try:
        worker.run()
    except BaseException:
        failed.set()
        raise


def _locked(progress: Progress) -> Any:
    """The progress bar's ``advance``, for several threads."""
    lock = threading.Lock()

    def advance(amount: int, note: str) -> None:
        with lock:
            progress.advance(amount, note)

    return advance


def _bytes(job: Job, assigned: list[list[Part]]) -> int | None:
    """Bytes that will be read; None where compression hides how many."""
    if job.has_pipe or not all(job.inputs.mark(path) for path in job.files):
        return None
    return sum(part.bytes for worker_parts in assigned for part in worker_parts)
