"""Files that are either whole or not there, and what is cleared away when a process was killed.

A temporary file is locked by the process that writes it: one that is not was left by a process that
was killed.
"""

import contextlib
import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sslkit.errors import ResourceError
from sslkit.files.folder import TEMPORARY

#: What mkstemp and ``replacing`` add to a name.
_RANDOM = r"\.[a-z0-9_]{8}\.part"
#: The disk failed; whatever else goes wrong with a folder means that it knows no such request.
_DISK_ERRORS = {errno.EIO, errno.ENOSPC, errno.EDQUOT}


def is_protected(path: Path) -> bool:
    """Whether nobody is meant to write a file, or in a folder; whoever may all the same asks."""
    return not path.stat().st_mode & 0o222


@contextmanager
def writing(path: Path, do: str = "make room, or write elsewhere") -> Iterator[None]:
    """Turn what can go wrong while a file is written into an error that names it.

    Raises:
        ResourceError: the disk is full, a limit is reached, or it cannot be written to.
    """
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{path} cannot be written", why=str(error), do=do) from error


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path in the same folder that becomes ``path`` when the block succeeds.

    Args:
        durable: wait until the file and its name are on the disk, so that they survive a loss of
            power as well; and remove what killed processes left of the same file. Not needed where
            checksums tell, and the folder is swept, or removed, as a whole.

    Raises:
        ResourceError: the file cannot be written.
    """
    with writing(path):
        make_folder(path.parent)
        if durable:
            sweep(path)
        handle, temporary = _locked(path)
        try:
            yield temporary
            # mkstemp makes files private; an artifact is as readable as any file of the user.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            if durable:
                with temporary.open("rb") as stream:
                    os.fsync(stream.fileno())
            temporary.replace(path)
            if durable:
                sync_folder(path.parent)
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


def move(source: Path, target: Path) -> None:
    """Give a finished file or folder its place, so that it survives a loss of power there.

    Raises:
        ResourceError: it cannot be put there.
    """
    with writing(target):
        source.replace(target)
        sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder with all above it, so that they survive a loss of power; there it may be."""
    if folder.is_dir():
        return
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can say so."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # One that may be written in but not be listed.
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise
    finally:
        os.close(handle)


def sync_files(folder: Path) -> None:
    """Wait until the files of a folder, and their names, are on the disk."""
    for path in folder.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    sync_folder(folder)


def sweep(path: Path) -> None:
    """Remove what processes that were killed left of ``replacing(path)``."""
    _sweep(path.parent, re.compile(rf"\.{re.escape(path.name)}{_RANDOM}"))


def sweep_folder(folder: Path) -> None:
    """Remove what such processes left of any file of a folder that is all sslkit's own."""
    _sweep(folder, TEMPORARY)


def _sweep(folder: Path, name: re.Pattern[str]) -> None:
    try:
        with os.scandir(folder) as entries:
            left = [entry.path for entry in entries if name.fullmatch(entry.name)]
    except OSError:
        return
    for path in map(Path, left):
        # Locks of network file systems want a file that is open for writing.
        with contextlib.suppress(OSError), path.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a whole file at once, atomically; ``durable`` as in ``replacing``."""
    with replacing(path, durable=durable) as temporary:
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
