"""A folder for temporary files that the same command finds again after it was ended."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslkit.errors import RequeueError, ResourceError, UsageError


@contextmanager
def workplace(parent: Path, what: Any, *, keep: bool = True) -> Iterator[Path]:
    """A folder below ``parent`` whose name follows from ``what``, for this process alone.

    It is removed at the end, unless the work is to be continued (``RequeueError``, an interrupt)
    or can be when there is space again (``ResourceError``).

    Args:
        what: anything JSON can hold that decides what is done.
        keep: False where the work can never be continued, as with standard input.

    Raises:
        UsageError: another process is at the same work, or the folder is somebody else's.
    """
    text = json.dumps(what, sort_keys=True, default=str)
    name = hashlib.sha256(text.encode()).hexdigest()[:20]
    folder = parent / f"sslkit-vocab-{os.getuid()}-{name}"
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
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                "another process counts the same corpus", where=str(folder), do="wait for it"
            ) from error
        try:
            yield folder
        except BaseException as error:
            if not keep or not isinstance(error, RequeueError | ResourceError | KeyboardInterrupt):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
