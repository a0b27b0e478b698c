"""Folders for temporary files that no later process needs, removed even where a process was killed.

A folder is locked by the process that made it: one that is not was left by a process that was
killed, and is removed by the next one that makes such a folder.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from sslkit.errors import ResourceError
from sslkit.files import atomic

_BLOCK = 1 << 20
_DO = "set TMPDIR to a folder with more room"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for the temporary files of this process, which is removed at the end.

    So are those of processes that were killed, which nobody can use any more.

    Raises:
        ResourceError: none can be made.
    """
    parent = atomic.scratch()
    prefix = f"sslkit-{os.getuid()}-"
    _sweep(parent, prefix)
    try:
        handle, path = _locked(parent, prefix)
    except OSError as error:
        raise ResourceError(
            "no folder for temporary files can be made",
            where=str(parent),
            why=str(error),
            do="set TMPDIR to another folder, or make room",
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


@contextmanager
def of_libraries(folder: Path) -> Iterator[None]:
    """While the block runs, temporary files of other packages go to ``folder``."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def keep(stream: IO[bytes], path: Path) -> None:
    """Write the rest of a stream into a new temporary file, as ``copy`` does."""
    with ExitStack() as stack:
        with atomic.writing(path, _DO):
            target = stack.enter_context(path.open("wb", buffering=0))
        copy(stream, target, path.parent)


def copy(stream: IO[bytes], target: IO[bytes], folder: Path) -> None:
    """Copy the rest of a stream into a temporary file; errors of reading stay what they are.

    Args:
        target: opened without a buffer, which would be written when it is closed.
        folder: where it is.

    Raises:
        ResourceError: it does not fit.
    """
    while block := stream.read(_BLOCK):
        left = memoryview(block)
        while left:
            with atomic.writing(folder, _DO):
                left = left[target.write(left) :]


def _locked(parent: Path, prefix: str) -> tuple[int, Path]:
    """A folder that others leave alone while this process lives."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(FileNotFoundError):  # swept away before it was locked
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.is_dir():
                return handle, folder
            os.close(handle)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove the folders of this user that no living process holds."""
    try:
        with os.scandir(parent) as entries:
            name = re.compile(rf"{prefix}[a-z0-9_]{{8}}")
            left = [
                entry.path
                for entry in entries
                if name.fullmatch(entry.name)
                and entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            ]
    except OSError:
        return
    for path in left:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
