"""Files that are either whole or not there."""

import contextlib
import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sslkit.errors import ResourceError


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path in the same folder that becomes ``path`` when the block succeeds.

    Args:
        durable: wait until it is on the disk, so that it survives a loss of power as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = _locked(path)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        # mkstemp makes files private; an artifact is as readable as any file of the user.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written", why=str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> tuple[int, Path]:
    """A temporary file that ``sweep`` leaves alone while this process lives."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:  # not swept away before it was locked
            return handle, Path(name)
        os.close(handle)


def sweep(path: Path) -> None:
    """Remove what processes that were killed left of ``replacing(path)``."""
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError), old.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            old.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file at once, atomically, as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def scratch() -> Path:
    """Where temporary files go: $SLURM_TMPDIR, then $TMPDIR, then the system's folder.

    Raises:
        ResourceError: there is none that can be written.
    """
    for name in ("SLURM_TMPDIR", "TMPDIR"):
        if folder := os.environ.get(name):
            return Path(folder)
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise ResourceError(
            "no folder for temporary files can be written",
            why=str(error),
            do="set TMPDIR to one, or make room",
        ) from error
