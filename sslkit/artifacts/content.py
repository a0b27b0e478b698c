"""What artifacts say of their making, with files told by name and content, not by where they lie.

A folder that was moved, or is named from another place, holds the same files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Fields that map the path of a file to its hash.
_HASHED = frozenset({"corpus", "labels"})
#: Fields that list paths of files whose hashes stand elsewhere.
_LISTED = frozenset({"valid", "test"})


def by_content(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The same identity of a run or a table, in plain types, without folders."""
    return {name: _plain(name, value) for name, value in identity.items()}


def _plain(name: str, value: Any) -> Any:
    if name == "parents" and isinstance(value, Mapping):
        return sorted(map(str, value.values()))
    if name in _HASHED and isinstance(value, Mapping):
        return sorted(f"{Path(path).name} {digest}" for path, digest in value.items())
    if name in _LISTED and isinstance(value, list | tuple):
        return [Path(str(path)).name for path in value]
    if name == "inputs" and isinstance(value, list | tuple):
        return [_named(one) for one in value]
    return by_content(value) if isinstance(value, Mapping) else value


def _named(entry: Any) -> Any:
    """The name and hash of an input."""
    if isinstance(entry, Mapping) and isinstance(entry.get("path"), str):
        return [Path(entry["path"]).name, entry.get("sha256")]
    return entry
