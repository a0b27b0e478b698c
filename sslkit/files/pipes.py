"""Standard input and pipes: what comes from them comes once, and is kept where it is read again."""

import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from sslkit.errors import UsageError
from sslkit.files import scratch

#: Where ``-`` stands for standard input.
STDIN = Path("-")

_copies: dict[Path, Path] = {}
_open = ExitStack()


def is_pipe(path: Path) -> bool:
    """Whether a path is standard input, a pipe or a device, as ``<(...)`` of a shell names it."""
    if path == STDIN:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def raw(path: Path) -> IO[bytes]:
    """The bytes of a pipe as they come; of a file from its beginning.

    Raises:
        UsageError: standard input is closed.
    """
    if path != STDIN:
        return path.open("rb")
    stream: Any = sys.stdin
    if stream is None:
        raise UsageError("standard input is closed", do="name a file, or open it: < FILE")
    source: IO[bytes] = stream.buffer
    return source


def kept(path: Path) -> Path:
    """The file to open for a path: itself, or a copy in scratch of what came from a pipe.

    Raises:
        ResourceError: there is no room for it.
    """
    if not is_pipe(path):
        return path
    if path not in _copies:
        incoming = raw(path)
        copy = _folder() / str(len(_copies))
        try:
            scratch.keep(incoming, copy)
        finally:
            if path != STDIN:
                incoming.close()
        _copies[path] = copy
    return _copies[path]


def _folder() -> Path:
    """Where copies are kept."""
    first = next(iter(_copies.values()), None)
    return first.parent if first else _open.enter_context(scratch.folder())


@contextmanager
def keeping() -> Iterator[None]:
    """Keep copies while the block runs."""
    try:
        yield
    finally:
        _copies.clear()
        _open.close()
