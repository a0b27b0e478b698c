"""Plug-ins and their settings as an artifact names them."""

from pathlib import Path
from types import ModuleType
from typing import Any

from sslkit import catalog
from sslkit.artifacts.manifest import Manifest
from sslkit.errors import DataError, UsageError


def restore(kind: str, made: Manifest, path: Path) -> tuple[ModuleType, Any]:
    """A plug-in and its settings as a manifest names them.

    Args:
        kind: as manifests name it; of several objectives the later ones as ``objective NAME``.
        path: of the artifact, for messages.

    Raises:
        DataError: there is none, it has another version now, or refuses the settings.
    """
    entry = made.plugins[kind]
    name = entry["name"]
    try:
        module = catalog.load(kind.partition(" ")[0], name)
    except UsageError as error:
        raise DataError(
            error.what,
            where=str(path),
            why="the artifact was made with it",
            do="install the package that brings it, or make the artifact again",
        ) from error
    if entry["version"] != module.VERSION:
        raise DataError(
            f"{kind} {name} has version {module.VERSION} here",
            where=str(path),
            why=f"the artifact was made with version {entry['version']}",
            do="use the version of sslkit that wrote it, or make it again",
        )
    try:
        return module, catalog.settings({name: module}, {}, {name: entry["settings"]})[name]
    except UsageError as error:
        raise DataError(
            f"the {kind} of an artifact cannot be as it says",
            where=str(path),
            why=f"{error.what}: {error.why}",
            do="make the artifact again",
        ) from error
