"""How many processors a stage takes."""

import os

import pytest

from sslkit.errors import UsageError
from sslkit.machine import limits
from sslkit.options import thread_count


def test_what_was_asked_for_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "7")
    assert thread_count(3) == 3
    assert thread_count(None) == 7
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4(x2)")
    with pytest.raises(UsageError, match="SLURM_CPUS_PER_TASK=4"):
        thread_count(None)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    monkeypatch.setattr(limits, "processors", lambda: None)
    assert thread_count(None) == len(os.sched_getaffinity(0))
