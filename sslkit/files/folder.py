"""Folders of files whose names are known: only those are ever removed."""

import re
from contextlib import suppress
from pathlib import Path

#: What ``atomic`` calls a file while it is written.
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part")


def foreign(folder: Path, known: re.Pattern[str]) -> list[str]:
    """The names in a folder that are not known, and not those of unfinished files."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if not known.fullmatch(name) and not TEMPORARY.fullmatch(name)]


def remove(folder: Path, known: re.Pattern[str]) -> None:
    """Remove the files of known names, and the folder where nothing else is in it."""
    if folder.is_symlink() or not folder.is_dir():
        return
    others = set(foreign(folder, known))
    for path in folder.iterdir():
        if path.name not in others and (path.is_symlink() or not path.is_dir()):
            with suppress(FileNotFoundError):
                path.unlink()
    with suppress(OSError):
        folder.rmdir()
