"""How much of the machine the control groups of Linux leave to this process.

A container or a batch job sees all processors and all memory of its host, and is slowed down or
killed when it takes more than its share. Both versions of control groups are understood:
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from collections.abc import Iterator
from pathlib import Path

_SELF = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")
#: The first version writes a number near 2**63 where there is no limit.
_NO_LIMIT = 2**60


def processors(root: Path = _ROOT, own: Path = _SELF) -> float | None:
    """Processor time that the process may use, in processors; None without a limit."""
    found = []
    for folder in _folders("cpu", root, own):
        if quota := _words(folder / "cpu.max"):
            share, period = [*quota, "100000"][:2]
        else:
            share = "".join(_words(folder / "cpu.cfs_quota_us"))
            period = "".join(_words(folder / "cpu.cfs_period_us"))
        if share.isdecimal() and period.isdecimal() and int(share) and int(period):
            found.append(int(share) / int(period))
    return min(found, default=None)


def memory(root: Path = _ROOT, own: Path = _SELF) -> int | None:
    """Bytes of memory that the process may use; None without a limit."""
    found = []
    for folder in _folders("memory", root, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = "".join(_words(folder / name))
            if limit.isdecimal() and int(limit) < _NO_LIMIT:
                found.append(int(limit))
    return min(found, default=None)


def _folders(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """The process's groups and those around them: each of them may set a limit."""
    for line in _text(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        folder = top / path.lstrip("/")
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(top))


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
