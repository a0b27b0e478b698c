"""What an artifact says of its own making.

Nothing in it depends on clock or host: two equal runs write equal manifests.
"""

import dataclasses
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sslkit.errors import DataError
from sslkit.files import source

#: Raised when the meaning of a field changes; an unknown format is refused.
FORMAT = 1
#: Schema metadata key under which a Parquet artifact holds its manifest.
METADATA_KEY = b"sslkit"
_LIBRARIES = ("sslkit", "torch", "numpy", "pyarrow", "scikit-learn")


@dataclass(frozen=True)
class Input:
    """One file that was read: its name as given, size in bytes and SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Stage, settings, plug-in versions, inputs, parents, seed and library versions.

    ``plugins`` maps a kind (``domain``, ``model``) to ``{"name", "version", "settings"}``.
    ``parents`` maps the name of an artifact that was read to its SHA-256.
    """

    stage: str
    settings: Mapping[str, Any]
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def make(stage: str, settings: Mapping[str, Any], **fields: Any) -> Manifest:
    """A manifest with the versions of the libraries that shape results filled in."""
    return Manifest(stage=stage, settings=settings, libraries=_libraries(), **fields)


def from_json(text: str, where: str) -> Manifest:
    """Read a manifest back.

    Raises:
        DataError: not a manifest, or one of a format that this version does not know.
    """
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise DataError(
                f"artifact format {values['format']} is not known here",
                where=where,
                why=f"this version reads format {FORMAT}",
                do="use the version of sslkit that wrote it, or make the artifact again",
            )
        values["inputs"] = tuple(Input(**entry) for entry in values["inputs"])
        return Manifest(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("this is not an artifact of sslkit", where=where, why=str(error)) from error


def describe(paths: Iterable[Path]) -> tuple[Input, ...]:
    """Sizes and hashes of input files; standard input has none."""
    return tuple(
        Input(str(path), _size(path), source.digest(path))
        if path != source.STDIN
        else Input("-", 0, "")
        for path in paths
    )


def _size(path: Path) -> int:
    with source.reading(path):
        return path.stat().st_size


def plugin(name: str, module: Any, settings: Any) -> dict[str, Any]:
    """A plug-in's entry in ``Manifest.plugins``."""
    return {"name": name, "version": module.VERSION, "settings": dataclasses.asdict(settings)}


def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
