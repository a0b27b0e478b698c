"""How tables of an earlier stage were read, for the stages behind it."""

from collections.abc import Iterable
from pathlib import Path

from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.files import source, table

#: What the manifests of vocabularies, and those of checkpoints, call the column of sequences.
_NAMES = ("column", "sequence_column")


def sequence_column(
    made: Manifest,
    origin: Path,
    paths: Iterable[Path],
    own: tuple[str, ...],
    console: Console,
) -> str | None:
    """The column that an artifact was made from, where all tables among some files have it.

    Args:
        origin: the artifact, for people.
        paths: of files that are to be read; folders and pipes are not looked into.
        own: endings of the names of files that the domain reads as they are.
    """
    column = next((made.settings[name] for name in _NAMES if made.settings.get(name)), None)
    tables = [path for path in paths if path.is_file() and is_table(path, own)]
    if column is None or not tables or not all(column in table.header(path) for path in tables):
        return None
    console.say(f"reads column {column!r}, as {origin} was made; --sequence-column names another")
    return str(column)


def is_table(path: Path, own: tuple[str, ...] = (), *, is_named: bool = False) -> bool:
    """Whether a file is a table; see ``files.table.is_table``."""
    with source.open_bytes(path) as stream:
        return table.starts(stream, path, own, is_named=is_named)
