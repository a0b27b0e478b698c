"""A folder for temporary files that the same command finds again after it was ended."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sslkit.errors import RequeueError, ResourceError, SslkitError, UsageError
from sslkit.files import atomic, lock

_LOCK = "lock"


@contextmanager
def workplace(parent: Path | None, what: Any, *, keep: bool = True) -> Iterator[Path]:
    """A folder below ``parent`` whose name follows from ``what``, for this process alone.

    It is removed at the end, unless the work is to be continued (``RequeueError``, an interrupt)
    or can be when there is space again (``ResourceError``).

    Args:
        parent: None is the folder for temporary files.
        what: anything JSON can hold that decides what is done.
        keep: False where the work can never be continued, as with standard input.

    Raises:
        ResourceError: another process is at the same work, or there is no place for it.
        UsageError: the folder is somebody else's.
    """
    with _alone(_folder(parent, what)) as folder:
        if not keep:
            _empty(folder)
        try:
            yield folder
        except BaseException as error:
            if not keep or not isinstance(error, RequeueError | ResourceError | KeyboardInterrupt):
                _empty(folder)
            raise
        _empty(folder)


def tidy(parent: Path | None, what: Any) -> None:
    """Remove the folder of work that is done, left by a process that was killed at the end.

    It stays where another process is in it.
    """
    folder = _folder(parent, what)
    if folder.is_dir():
        with suppress(SslkitError, OSError), _alone(folder):
            _empty(folder)


def drop_others(folder: Path, pattern: str, *, kept: list[str]) -> None:
    """Remove the subfolders of a pattern that this process has no use for."""
    for path in folder.glob(pattern):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _folder(parent: Path | None, what: Any) -> Path:
    text = json.dumps(what, sort_keys=True, default=str)
    name = hashlib.sha256(text.encode()).hexdigest()[:20]
    return (parent or atomic.scratch()) / f"sslkit-vocab-{os.getuid()}-{name}"


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The folder for this process alone; one that is empty in the end is removed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(
            "there is no place for temporary files",
            where=str(folder),
            why=str(error),
            do="name another folder with --tmp",
        ) from error
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UsageError(f"{folder} belongs to somebody else", do="name another folder with --tmp")
    try:
        with lock.holding(folder / _LOCK, f"counts the same corpus in {folder}", "wait for it"):
            yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()


def _empty(folder: Path) -> None:
    """Remove everything but the lock, which its holder removes."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _LOCK:
            path.unlink(missing_ok=True)
