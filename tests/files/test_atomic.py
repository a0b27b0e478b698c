"""Files are whole or not there."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sslkit.errors import ResourceError
from sslkit.files import atomic


def fail_midway(path: Path, error: Exception) -> None:
    with atomic.replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    atomic.write_text(path, "old")
    with pytest.raises(KeyError):
        fail_midway(path, KeyError())
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(ResourceError, match="cannot be written") as caught:
        fail_midway(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert caught.value.exit_code == 4
    assert "No space left" in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_those_of_any_file(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "a", b"x")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    assert atomic.scratch() == tmp_path
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "job"))
    assert atomic.scratch() == tmp_path / "job"


def test_what_a_killed_process_left_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from sslkit.files import atomic\n"
    script += "with atomic.replacing(Path('a[1].txt')): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".a1.txt.x.part").touch()
    path = tmp_path / "a[1].txt"
    with atomic.replacing(path) as temporary:
        atomic.sweep(path)
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert sorted(held.name for held in tmp_path.iterdir()) == [".a1.txt.x.part", "a[1].txt"]
