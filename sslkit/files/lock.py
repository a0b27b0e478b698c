"""Locks that keep two processes from one folder, and that end with the process that holds them."""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sslkit.errors import ResourceError
from sslkit.files import atomic

_TRIES = 100
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}


@contextmanager
def holding(path: Path, what: str, do: str) -> Iterator[bool]:
    """Hold the lock ``path`` while the block runs; False where the file system knows no locks.

    The file is removed at the end. One that a killed process left is in nobody's way: the system
    released it.

    Args:
        what: what only one process may do, as ``is writing a.parquet``.
        do: what the user of a second one can do.

    Raises:
        ResourceError: another process holds it, or the file cannot be made.
    """
    while True:
        with _opened(path) as file:
            knows = _lock(file.fileno(), path, what, do)
            if not _is_still(path, file.fileno()):
                continue
            # Only a message to others, not worth failing on a full disk.
            with suppress(OSError):
                file.truncate(0)
                os.write(file.fileno(), f"process {os.getpid()} on {platform.node()}".encode())
            try:
                yield knows
            finally:
                path.unlink(missing_ok=True)
            return


def _opened(path: Path) -> IO[str]:
    """The file, made with its folder."""
    with atomic.writing(path.parent):
        for _ in range(_TRIES):
            atomic.make_folder(path.parent)
            with suppress(FileNotFoundError):
                # Its folder was removed, by a process that has just finished.
                return path.open("a+")
        return path.open("a+")


def _lock(number: int, path: Path, what: str, do: str) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with suppress(OSError):
            holder = path.read_text("utf-8")
            raise ResourceError(f"another sslkit {what}", why=holder, do=do) from error
        raise ResourceError(f"another sslkit {what}", do=do) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise ResourceError(f"{path} cannot be locked", why=str(error), do=do) from error
        return False
    return True


def _is_still(path: Path, number: int) -> bool:
    """Whether the locked file is the one that others will find."""
    try:
        return os.path.samestat(path.stat(), os.fstat(number))
    except FileNotFoundError:
        return False
