"""A lock keeps other processes away, ends with its process, and warns where there is none."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sslkit.errors import ResourceError
from sslkit.files import lock

_HOLD = """
import sys, time
from pathlib import Path
from sslkit.files import lock
with lock.holding(Path(sys.argv[1]), "is at it", "wait"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_kept_away_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    words = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        second = lock.holding(path, "is at it", "wait for it")
        with pytest.raises(ResourceError, match="another sslkit is at it") as told, second:
            pytest.fail("two hold it")
        assert f"process {process.pid} on " in told.value.why
        assert told.value.do == "wait for it"
        assert told.value.exit_code == 4
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()
    with lock.holding(path, "is at it", "wait") as knows:
        assert knows
        assert str(os.getpid()) in path.read_text()
    assert not path.exists()


def test_only_one_of_many_holds_it_at_a_time(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from sslkit.errors import ResourceError
from sslkit.files import lock
folder = Path(sys.argv[1])
done = 0
while done < 20:
    try:
        with lock.holding(folder / "lock", "is at it", "wait"):
            (folder / "alone").touch(exist_ok=False)
            (folder / "alone").unlink()
            done += 1
    except ResourceError:
        time.sleep(0.001)
"""
    words = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(words) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(fcntl, "flock", refused)
    with lock.holding(tmp_path / "lock", "is at it", "wait") as knows:
        assert not knows


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    held = lock.holding(tmp_path / "file" / "lock", "is at it", "wait")
    with pytest.raises(ResourceError, match="cannot be written"), held:
        pytest.fail("there is no such folder")


def test_a_folder_that_is_never_there(tmp_path: Path) -> None:
    # The system says that there is no such folder, again and again.
    held = lock.holding(Path("/proc/new/lock"), "is at it", "wait")
    with pytest.raises(ResourceError), held:
        pytest.fail("there is no such folder")
