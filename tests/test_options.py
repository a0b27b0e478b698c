"""How many processors a stage takes."""

import os

import pytest

from sslkit import limits
from sslkit.options import thread_count


def test_what_was_asked_for_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "7")
    assert thread_count(3) == 3
    assert thread_count(None) == 7
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    monkeypatch.setattr(limits, "processors", lambda: None)
    assert thread_count(None) == len(os.sched_getaffinity(0))
