"""Metrics that repeat, whatever happened in between."""

import json
import resource
from pathlib import Path

import pytest

from sslkit.artifacts.run import RunFolder
from sslkit.engine import runlog
from sslkit.engine.runlog import RunLog
from sslkit.errors import ResourceError


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def write(folder: RunFolder, first: int, last: int, *, silent: bool = False) -> None:
    log = RunLog(folder, silent=silent)
    for step in range(first, last + 1):
        log.write({"step": step, "loss": 1 / step}, 10)


def test_one_object_a_step(folder: RunFolder) -> None:
    write(folder, 1, 3)
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert rows == [{"step": n, "loss": 1 / n} for n in (1, 2, 3)]


@pytest.mark.parametrize("tail", ["", '{"step": 6, "lo', '{"step": 6, "loss": 1}', "\x00\x00"])
@pytest.mark.parametrize("step", [0, 3, 5])
def test_rewound_and_continued_is_as_never_interrupted(
    folder: RunFolder, tail: str, step: int
) -> None:
    write(folder, 1, 8)
    whole = folder.metrics.read_bytes()
    folder.metrics.unlink()
    write(folder, 1, 5)
    with folder.metrics.open("a") as stream:
        stream.write(tail)
    RunLog(folder, silent=False).rewind(step)
    write(folder, step + 1, 8)
    assert folder.metrics.read_bytes() == whole


def test_silent_processes_touch_nothing(folder: RunFolder) -> None:
    write(folder, 1, 2)
    held = folder.metrics.read_bytes()
    write(folder, 3, 4, silent=True)
    RunLog(folder, silent=True).rewind(0)
    assert folder.metrics.read_bytes() == held


def test_clock_and_speed_stand_in_a_file_of_their_own(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runlog, "_LOG_SECONDS", -1.0)
    write(folder, 1, 2)
    rows = [json.loads(line) for line in folder.log.read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert set(rows[0]) == {"time", "host", "process", "step", "tokens_per_second", "seconds"}
    assert "host" not in folder.metrics.read_text()


def test_a_full_disk_is_a_resource_that_ran_out(folder: RunFolder) -> None:
    folder.metrics.symlink_to("/dev/full")
    with pytest.raises(ResourceError, match=r"metrics\.jsonl cannot be written"):
        write(folder, 1, 1)


def test_half_a_line_is_taken_back(folder: RunFolder) -> None:
    write(folder, 1, 1)
    before = folder.metrics.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5, hard))
    try:
        with pytest.raises(ResourceError):
            write(folder, 2, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert folder.metrics.read_bytes() == before
