"""Findings of doctor about folders: whether they can be written, have space, and support locks."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sslkit.machine import sizes

_LITTLE_SPACE = 2**30
_MEMORY_SYSTEMS = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``do`` is what helps where the state is not ok."""

    name: str
    state: Literal["ok", "warning", "problem"]
    text: str
    do: str = ""

    def line(self) -> str:
        """The finding as text for people."""
        return f"{self.state:8} {self.name:11} {self.text}" + (f"; {self.do}" if self.do else "")


def scratch(folder: Path) -> Finding:
    """The folder for temporary files."""
    name, do = "temporary", "set TMPDIR to another folder"
    if problem := _unwritable(folder):
        return Finding(name, "problem", f"{folder} cannot be written: {problem}", do)
    free, kind = shutil.disk_usage(folder).free, system(folder)
    text = f"{folder}, {sizes.show(free)} free, on {kind or 'an unknown file system'}"
    if kind in _MEMORY_SYSTEMS:
        return Finding(name, "warning", f"{text}: what lies there takes memory", do)
    return Finding(name, "warning" if free < _LITTLE_SPACE else "ok", text,
                   do if free < _LITTLE_SPACE else "")  # fmt: skip


def working(folder: Path) -> Finding:
    """The folder that artifacts are written to."""
    name, do = "this folder", "work in another folder, or write to one with --out"
    if problem := _unwritable(folder):
        return Finding(name, "problem", f"{folder} cannot be written: {problem}", do)
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {sizes.show(free)} free, on {system(folder) or 'an unknown file system'}"
    if free < _LITTLE_SPACE:
        return Finding(name, "warning", text, do)
    if problem := _unlockable(folder):
        text += f", which supports no locks ({problem})"
        return Finding(name, "warning", text, "never start two runs in one folder at once")
    return Finding(name, "ok", text)


def system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of file system that a folder is on; empty where it is unknown."""
    try:
        lines = mounts.read_text("utf-8").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        _, point, kind_here = [*line.split(), "", "", ""][:3]
        # Blanks in names are written as octal numbers.
        point = point.replace("\\040", " ")
        if point and folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, kind_here
    return kind


def _unwritable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"0" * 2**16)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return str(error)
    return ""


def _unlockable(folder: Path) -> str:
    with tempfile.TemporaryFile(dir=folder) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return str(error)
    return ""
