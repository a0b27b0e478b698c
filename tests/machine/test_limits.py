"""Limits of control groups, of both versions, from the files that say them."""

from pathlib import Path

import pytest

from sslkit import options
from sslkit.machine import limits


def written(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root / "cgroup", root / "self"


CPU, QUOTA, PERIOD = "cgroup/cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"
MEMORY, LIMIT = "cgroup/memory.max", "memory.limit_in_bytes"
CASES: list[tuple[dict[str, str], float | None, int | None]] = [
    ({}, None, None),
    ({"self": "0::/\n", CPU: "max 100000\n", MEMORY: "max\n"}, None, None),
    ({"self": "0::/\n", CPU: "150000 100000\n", MEMORY: "4096\n"}, 1.5, 4096),
    # A group around it may allow less.
    (
        {
            "self": "0::/a/b\n",
            "cgroup/a/cpu.max": "200000 100000\n",
            "cgroup/a/b/cpu.max": "max 100000\n",
            "cgroup/a/b/memory.max": "100\n",
            MEMORY: "99\n",
        },
        2.0,
        99,
    ),
    # A container that does not see its own path.
    ({"self": "0::/host/path\n", CPU: "50000 100000\n"}, 0.5, None),
    (
        {
            "self": "5:memory:/a\n3:cpu,cpuacct:/a\n",
            f"cgroup/cpu/a/{QUOTA}": "300000\n",
            f"cgroup/cpu/a/{PERIOD}": "100000\n",
            f"cgroup/memory/a/{LIMIT}": "8192\n",
        },
        3.0,
        8192,
    ),
    (
        {
            "self": "5:memory:/\n3:cpu:/\n",
            f"cgroup/cpu/{QUOTA}": "-1\n",
            f"cgroup/cpu/{PERIOD}": "100000\n",
            f"cgroup/memory/{LIMIT}": "9223372036854771712\n",
        },
        None,
        None,
    ),
]


@pytest.mark.parametrize(("files", "processors", "memory"), CASES)
def test_limits(
    tmp_path: Path, files: dict[str, str], processors: float | None, memory: int | None
) -> None:
    root, own = written(tmp_path, files)
    assert limits.processors(root, own) == processors
    assert limits.memory(root, own) == memory


def test_threads_follow_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(limits, "processors", lambda: 0.5)
    assert options.thread_count(None) == 1
    assert options.thread_count(7) == 7
    monkeypatch.setattr(limits, "processors", lambda: None)
    whole = options.thread_count(None)
    monkeypatch.setattr(limits, "processors", lambda: 10_000.0)
    assert options.thread_count(None) == whole
