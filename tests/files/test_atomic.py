"""Files are whole or not there."""

import errno
import os
import stat
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


def left_behind(folder: Path, name: str) -> Path:
    """What a process leaves that is killed while it writes a file."""
    script = "import os, sys; from pathlib import Path; from sslkit.files import atomic\n"
    script += "with atomic.replacing(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    before = set(folder.iterdir())
    subprocess.run([sys.executable, "-c", script, str(folder / name)], check=False)
    (path,) = set(folder.iterdir()) - before
    return path


def test_what_a_killed_process_left_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a[1].txt"
    others = {left_behind(tmp_path, name) for name in ("a[1].txt.b", "b.txt")}
    for name in (".a1.txt.abcdefgh.part", ".a[1].txt.part", ".a[1].txt.toolonganame.part"):
        (tmp_path / name).touch()
        others.add(tmp_path / name)
    old = left_behind(tmp_path, "a[1].txt")
    with atomic.replacing(path, durable=False):
        assert old.exists()
    with atomic.replacing(path) as temporary:
        assert not old.exists()
        atomic.sweep(path)
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert set(tmp_path.iterdir()) == {path, *others}


def test_all_of_a_folder_is_swept_away_but_what_lives(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        left_behind(tmp_path, name)
    (tmp_path / ".hidden").touch()
    with atomic.replacing(tmp_path / "c.txt") as temporary:
        atomic.sweep_folder(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {".hidden", temporary.name}
    atomic.sweep_folder(tmp_path / "nowhere")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, and new names, in order."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        seen.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().suffix}")
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        seen.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    return seen


def test_the_name_is_on_the_disk_after_what_it_names(tmp_path: Path, steps: list[str]) -> None:
    atomic.write_bytes(tmp_path / "x.1" / "y.2" / "a", b"data")
    assert steps == ["sync .1", "sync ", "sync .part", "rename", "sync .2"]
    steps.clear()
    atomic.write_bytes(tmp_path / "x.1" / "y.2" / "a", b"more")
    assert steps == ["sync .part", "rename", "sync .2"]
    steps.clear()
    atomic.move(tmp_path / "x.1" / "y.2" / "a", tmp_path / "x.1" / "a")
    assert steps == ["rename", "sync .1"]
    steps.clear()
    with atomic.replacing(tmp_path / "a", durable=False) as temporary:
        temporary.write_text("data")
    assert steps == ["rename"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Not every file system syncs folders; a failing disk is another matter."""
    fsync = os.fsync

    def refused(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refused)
    if number == errno.EIO:
        with pytest.raises(ResourceError):
            atomic.write_text(tmp_path / "a", "x")
    else:
        atomic.write_text(tmp_path / "a", "x")
        assert (tmp_path / "a").read_text() == "x"
