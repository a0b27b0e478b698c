"""What an artifact says of its own making.

Nothing in it depends on clock or host: two equal runs write equal manifests.
"""

import dataclasses
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sslkit.errors import DataError
from sslkit.files import pipes, source

#: Raised when the meaning of a field changes; an unknown format is refused.
FORMAT = 1
#: Schema metadata key under which a Parquet artifact holds its manifest.
METADATA_KEY = b"sslkit"
#: The longest windows, in tokens, that an artifact can ask for.
_MOST_CONTEXT = 2**24
_FIELDS: Mapping[str, type] = {
    "stage": str, "settings": dict, "plugins": dict, "inputs": list, "parents": dict,
    "results": dict, "libraries": dict, "format": int,
}  # fmt: skip
_PLUGIN = {"name": (str,), "version": (int, str), "settings": (dict,)}
_INPUT: Mapping[str, type] = {"path": str, "bytes": int, "sha256": str}
#: What the settings that later stages take over can be.
_SETTINGS: Mapping[str, Callable[[Any], bool]] = {
    "context": lambda value: type(value) is int and 1 <= value <= _MOST_CONTEXT,
    "seed": lambda value: type(value) is int,
    "on_error": lambda value: value in ("stop", "skip"),
    "canonical": lambda value: type(value) is bool,
    "special": lambda value: type(value) is list and all(type(one) is str for one in value),
    "subword": lambda value: value in (None, "bpe", "unigram"),
    "max_size": lambda value: value is None or (type(value) is int and value > 0),
    "min_count": lambda value: value is None or (type(value) is int and value >= 0),
    "column": lambda value: value is None or type(value) is str,
}
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


def from_json(text: str | bytes, where: str) -> Manifest:
    """Read a manifest back: every field of it has the type that stages rely on.

    Its settings, plug-ins and results refuse, naming the artifact, to give what they lack.

    Raises:
        DataError: not a manifest, a damaged one, or one of a format that is not known here.
    """
    try:
        values = json.loads(text)
        if _format(values) != FORMAT:
            raise DataError(
                f"artifact format {values['format']} is not known here",
                where=where,
                why=f"this version reads format {FORMAT}",
                do="use the version of sslkit that wrote it, or make the artifact again",
            )
        _check(values)
        values["inputs"] = tuple(Input(**entry) for entry in values["inputs"])
        for name in ("settings", "plugins", "results"):
            values[name] = Stated.of(values.get(name, {}), where)
        return Manifest(**values)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(
            "this is not an artifact of sslkit, or a damaged one", where=where, why=str(error)
        ) from error


class Stated(dict[str, Any]):
    """What an artifact states; asked for something else, it says which artifact lacks it."""

    where: str

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> "Stated":
        """The entries of a mapping, and of those in it."""
        stated = cls({n: cls.of(v, where) if type(v) is dict else v for n, v in values.items()})
        stated.where = where
        return stated

    def __missing__(self, name: str) -> Any:
        raise DataError(
            f"an artifact does not say its {name}",
            where=self.where,
            why="it is damaged, or was not made by the stage that this command takes it for",
            do="make it again",
        )


@contextmanager
def reading_results(path: Path) -> Iterator[None]:
    """Say again what an earlier run came to; what is of another form ends in an error.

    Raises:
        DataError: the results are not as their stage writes them.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            "the results of an earlier run are damaged",
            where=str(path),
            why=f"{type(error).__name__}: {error}",
            do="run it again with --force",
        ) from error


def _format(values: Any) -> Any:
    if not isinstance(values, dict):
        raise TypeError("it is no JSON object")
    return values["format"]


def _check(values: Mapping[str, Any]) -> None:
    """Refuse, as ``from_json`` does, entries of other types than those that are written."""
    for name, kind in _FIELDS.items():
        _need(type(values[name]) is kind, name)
    for entry in values["plugins"].values():
        _need(type(entry) is dict and set(entry) == set(_PLUGIN), "plugins")
        for name, kinds in _PLUGIN.items():
            _need(type(entry[name]) in kinds, f"plugins: {name}")
    for entry in values["inputs"]:
        _need(type(entry) is dict and set(entry) == set(_INPUT), "inputs")
        _need(all(type(entry[n]) is kind for n, kind in _INPUT.items()), "inputs")
        _need(entry["bytes"] >= 0, "inputs: bytes")
    for name in ("parents", "libraries"):
        _need(all(type(value) is str for value in values[name].values()), name)
    for name, can_be in _SETTINGS.items():
        if name in values["settings"]:
            _need(can_be(values["settings"][name]), f"settings: {name}")


def _need(right: bool, name: str) -> None:
    if not right:
        raise ValueError(f"its {name} cannot be what it says")


def describe(paths: Iterable[Path], *, once: bool = False) -> tuple[Input, ...]:
    """Sizes and hashes of input files.

    Args:
        once: whether files are read once, so that nothing is known of what comes from a pipe.
    """
    return tuple(
        Input(str(path), 0, "")
        if once and pipes.is_pipe(path)
        else Input(str(path), source.size(path), source.digest(path))
        for path in paths
    )


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
