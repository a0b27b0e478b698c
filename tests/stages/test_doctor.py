"""sslkit doctor: a sound machine, and each thing that can be wrong with one."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from sslkit.machine import limits
from sslkit.stages.doctor import folders, run
from sslkit.stages.doctor.folders import Finding

Command = Callable[..., Any]


def by_name(done: Any) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in done.json["findings"]}


def test_a_sound_machine(sslkit: Command) -> None:
    done = sslkit("doctor", "--full", "--json")
    assert done.json["ok"]
    findings = by_name(done)
    for name in (
        "python",
        "sslkit",
        "packages",
        "precision",
        "allocator",
        "GPU",
        "sorting",
        "torchrun",
    ):
        assert findings[name]["state"] == "ok", findings[name]
    assert {"processors", "memory", "temporary", "this folder", "extra zstd"} <= set(findings)
    assert "torch " in findings["packages"]["text"]
    assert "is faster here" in findings["precision"]["text"]
    assert "two processes work together" in findings["torchrun"]["text"]


def test_torch_is_tried_where_that_is_asked_for(sslkit: Command, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('a library is not there')\n")
    by = by_name(sslkit("doctor", "--json"))
    assert by["torch"]["state"] == "ok"
    assert by["torch"]["do"] == "sslkit doctor --full tries them"
    assert not {"precision", "GPU", "torchrun"} & set(by)


def test_broken_things_are_told_and_end_with_1(sslkit: Command, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('a library is not there')\n")
    done = sslkit("doctor", "--full", check=1, TMPDIR=str(tmp_path / "nowhere"))
    assert "problem  temporary" in done.out
    assert "set TMPDIR to another folder" in done.out
    assert "it cannot be used: ImportError: a library is not there" in done.out
    assert "2 of " in done.err
    assert "where: temporary, torch" in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def torch_works(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: dict[str, Any] = {"fp32_seconds": 1e-3, "bf16_seconds": 2e-3, "processes": 2}
    facts |= {"quick_products": True, "allocator": {"M_MMAP_MAX": 0}}
    gpu = {"name": "A card", "memory": 2**34}
    monkeypatch.setattr(run, "_output", lambda words: {**facts, "gpus": [gpu]})


@pytest.mark.usefixtures("torch_works")
def test_lines_for_a_person(command: Command) -> None:
    done = command("doctor", "--full")
    assert "ok       precision   fp32 is faster here" in done.out
    assert "fp32 by oneDNN, as exact as others" in done.out
    assert "ok       allocator   large buffers are kept for the next step: M_MMAP_MAX 0" in done.out
    assert "ok       GPU         A card, 16 GiB" in done.out
    assert command("doctor", "-q").out == ""


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        run, "requires", lambda name: ["numpy>=2", "absent<9", "strange>=1; extra == 'odd'"]
    )
    findings = {finding.name: finding for finding in run._packages()}
    assert findings["packages"].state == "problem"
    assert findings["packages"].do == "pip install absent"
    assert findings["extra odd"].state == "ok"
    assert "pip install 'sslkit[odd]'" in findings["extra odd"].text


@pytest.mark.parametrize(
    ("given", "quota", "state", "text"),
    [
        ("", None, "ok", "threads are used"),
        ("", 1.0, "ok", "1 by its control group; 1 threads"),
        ("many", None, "problem", "which is no number"),
        ("64", 2.0, "warning", "SLURM_CPUS_PER_TASK 64; 64 threads"),
    ],
)
def test_processors(
    monkeypatch: pytest.MonkeyPatch, given: str, quota: float | None, state: str, text: str
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    monkeypatch.setattr(limits, "processors", lambda: quota)
    finding = run._processors()
    assert finding.state == state
    assert text in finding.text


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Held(NamedTuple):
        available: int
        total: int

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Held(2**34, 2**35))
    monkeypatch.setattr(limits, "memory", lambda: None)
    assert run._memory().state == "ok"
    monkeypatch.setattr(limits, "memory", lambda: 2**29)
    assert run._memory().state == "warning"
    assert "512 MiB by the control group" in run._memory().text


def test_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folders, "system", lambda folder: "ext4")
    assert folders.scratch(tmp_path).state == "ok"
    assert folders.working(tmp_path).state == "ok"
    for examine in (folders.scratch, folders.working):
        assert examine(tmp_path / "absent").state == "problem"
    monkeypatch.setattr(folders, "system", lambda folder: "tmpfs")
    assert "takes memory" in folders.scratch(tmp_path).text

    def refused(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    unlocked = folders.working(tmp_path)
    assert unlocked.state == "warning"
    assert "supports no locks" in unlocked.text
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    for examine in (folders.scratch, folders.working):
        assert examine(tmp_path).state == "warning"
    assert not list(tmp_path.iterdir())


def test_the_file_system_of_a_folder(tmp_path: Path) -> None:
    inner = tmp_path / "a b" / "c"
    inner.mkdir(parents=True)
    mounts = tmp_path / "mounts"
    point = str(tmp_path / "a b").replace(" ", "\\040")
    mounts.write_text(f"x / ext4 rw 0 0\ny {point} tmpfs rw 0 0\nz {tmp_path}/other nfs rw 0 0\n")
    assert folders.system(inner, mounts) == "tmpfs"
    assert folders.system(tmp_path, mounts) == "ext4"
    assert folders.system(tmp_path, tmp_path / "absent") == ""


def test_a_line() -> None:
    assert Finding("GPU", "warning", "old", "buy one").line().split() == [
        "warning", "GPU", "old;", "buy", "one",
    ]  # fmt: skip
