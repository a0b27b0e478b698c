"""The options that every stage has, resolved."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from sslkit.errors import OnError, UsageError
from sslkit.machine import limits

#: More than any machine has processors; libraries hang or die where they start so many.
MOST_THREADS = 1024


@dataclass(frozen=True, kw_only=True)
class Common:
    """What is the same everywhere.

    Attributes:
        out: where to write; None stands for the stage's fixed name.
        threads: None stands for the processors that the process may use.
        set: ``name=value`` pairs for the chosen plug-ins.
        force: overwrite what another run wrote.
        max_record: the longest record that is held in memory.
        given: names of the options that are not at their defaults by omission.
    """

    out: Path | None = None
    seed: int = 1
    threads: int | None = None
    device: str = "auto"
    set: tuple[str, ...] = ()
    force: bool = False
    on_error: OnError = "stop"
    max_record: str = "512M"
    given: frozenset[str] = frozenset()


def thread_count(asked: int | None) -> int:
    """``asked``, or SLURM_CPUS_PER_TASK, or the processors that the process may use.

    Raises:
        UsageError: SLURM_CPUS_PER_TASK is no number, or one of them is too large a number.
    """
    if asked and asked > MOST_THREADS:
        raise UsageError(f"--threads {asked} is more than {MOST_THREADS}")
    if asked:
        return asked
    if given := os.environ.get("SLURM_CPUS_PER_TASK", ""):
        if not given.isdecimal() or int(given) > MOST_THREADS:
            raise UsageError(
                f"SLURM_CPUS_PER_TASK={given} is no number of processors",
                why=f"at most {MOST_THREADS} threads are used" if given.isdecimal() else "",
                do="unset it, or say how many with --threads",
            )
        return max(1, int(given))
    allowed = limits.processors()
    return processors() if allowed is None else min(processors(), max(1, math.ceil(allowed)))


def processors() -> int:
    """Processors that the system lets the process run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
