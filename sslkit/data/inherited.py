"""How tables of an earlier stage were read, for the stages behind it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sslkit import catalog
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.engine.assemble import Parts
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
    if column is None:
        column = made.plugins.get("task", {}).get("settings", {}).get("sequence_column")
    tables = [path for path in paths if path.is_file() and is_table(path, own)]
    if column is None or not tables or not all(column in table.header(path) for path in tables):
        return None
    console.say(f"reads column {column!r}, as {origin} was made; --sequence-column names another")
    return str(column)


def for_labels(
    pairs: Iterable[str],
    task: str,
    parts: Parts,
    files: Mapping[str, Sequence[Path]],
    console: Console,
) -> list[str]:
    """``--set`` pairs, and with them the column that a checkpoint was made from.

    Where none is named, the task has such a setting and all files of labels have that column.
    """
    known = {field.name for field in dataclasses.fields(catalog.load("task", task).Settings)}
    named = {name.rpartition(".")[2] for name in catalog.parse_pairs(pairs)}
    if "sequence_column" in named or "sequence_column" not in known:
        return list(pairs)
    given = [path for paths in files.values() for path in paths]
    inside = [sorted(path.iterdir()) if path.is_dir() else [path] for path in given]
    column = sequence_column(
        parts.manifest, parts.path, [path for paths in inside for path in paths], (), console
    )
    return [*pairs, *([] if column is None else [f"{task}.sequence_column={column}"])]


def is_table(path: Path, own: tuple[str, ...] = (), *, is_named: bool = False) -> bool:
    """Whether a file is a table; see ``files.table.is_table``."""
    with source.open_bytes(path) as stream:
        return table.starts(stream, path, own, is_named=is_named)
