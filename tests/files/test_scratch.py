"""Folders for temporary files: one's own, and gone in the end, whoever was killed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sslkit.errors import ResourceError
from sslkit.files import scratch

_KILLED = """
import os
from sslkit.files import scratch
with scratch.folder() as folder:
    (folder / "stdin").touch()
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_is_removed_with_all_that_is_in_it(parent: Path) -> None:
    with scratch.folder() as folder:
        assert folder.parent == parent
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "a").mkdir()
        (folder / "a" / "b").touch()
    assert list(parent.iterdir()) == []


def test_those_of_killed_processes_go_and_all_others_stay(parent: Path) -> None:
    own = {f"sslkit-{os.getuid()}-mine", f"sslkit-{os.getuid()}-abcdefgh.txt", "sslkit-abcdefgh"}
    for name in own:
        (parent / name).mkdir()
    with scratch.folder() as living:
        subprocess.run([sys.executable, "-c", _KILLED], check=False)
        (killed,) = {path for path in parent.iterdir() if path != living and path.name not in own}
        assert (killed / "stdin").exists()
        with scratch.folder() as other:
            assert {path.name for path in parent.iterdir()} == {*own, living.name, other.name}
    assert {path.name for path in parent.iterdir()} == own


def test_a_link_is_not_followed(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    precious = tmp_path_factory.mktemp("precious")
    (precious / "a").touch()
    (parent / f"sslkit-{os.getuid()}-abcdefgh").symlink_to(precious)
    with scratch.folder():
        pass
    assert (precious / "a").exists()


def test_other_packages_leave_nothing_elsewhere(parent: Path) -> None:
    before = tempfile.tempdir
    with scratch.folder() as folder:
        with scratch.of_libraries(folder):
            assert Path(tempfile.mkdtemp()).parent == folder
        assert tempfile.tempdir == before
    assert list(parent.iterdir()) == []


def test_no_place(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(parent / "nowhere"))
    with pytest.raises(ResourceError) as told, scratch.folder():
        pass
    assert told.value.where == str(parent / "nowhere")
