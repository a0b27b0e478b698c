"""What a file of tensors holds, looked at before anything of it is loaded.

A file of ``torch.save`` is a ZIP archive without compression: a pickle and a block of bytes for
each tensor. ``torch.load`` does not compare the blocks with their checksums; this does.
"""

import pickletools
import zipfile
from pathlib import Path

from sslkit.errors import DataError

_BLOCK_BYTES = 1 << 20
_SHOWN_NAMES, _SHOWN_LETTERS = 3, 80
#: What ``torch.save`` writes of tensors and plain types, by module and beginning of the name.
_TENSORS = {"torch": "", "torch._utils": "_rebuild_", "collections": ""}
#: What the standard library and torch raise for archives that are cut off or changed.
_DAMAGE = (
    zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, LookupError, RuntimeError,
)  # fmt: skip


def check(path: Path) -> None:
    """Refuse a damaged file, and one that holds other objects than tensors and plain types.

    Reads the whole file once, in blocks; nothing in it is executed.

    Raises:
        DataError: it is damaged, or names a class or function that would have to be executed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sums(archive, path)
            foreign = _foreign(archive)
    except (*_DAMAGE, OSError) as error:
        raise DataError(
            "a checkpoint is damaged, or is none",
            where=str(path),
            why=str(error) or type(error).__name__,
            do="make it again, or use a copy of it that is whole",
        ) from error
    if foreign:
        names = ", ".join(name[:_SHOWN_LETTERS] for name in foreign[:_SHOWN_NAMES])
        raise DataError(
            "a checkpoint holds something other than tensors",
            where=str(path),
            why=f"it names {names}, which was not executed",
            do="use a checkpoint that sslkit wrote",
        )


def _check_sums(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError("it claims to hold more than its own size")
    for entry in entries:
        with archive.open(entry) as stream:
            while stream.read(_BLOCK_BYTES):
                pass


def _foreign(archive: zipfile.ZipFile) -> list[str]:
    """Classes and functions that the pickles name and that are none of tensors."""
    names = set()
    for entry in archive.infolist():
        if not entry.filename.endswith(".pkl"):
            continue
        for code, value, _ in pickletools.genops(archive.read(entry)):
            if code.name in {"GLOBAL", "INST"}:
                module, _, name = str(value).partition(" ")
                if not name.startswith(_TENSORS.get(module, " ")):
                    names.add(f"{module}.{name}")
            elif code.name in {"STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}:
                names.add("a class of a newer pickle")
    return sorted(names)
