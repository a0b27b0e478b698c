"""The files of a corpus, known by name and content wherever they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Input
from sslkit.errors import DataError
from sslkit.files import pipes, source


@dataclass(frozen=True)
class Contents:
    """Files as they were when they were looked at.

    Attributes:
        described: sizes and hashes by path, of those that can be read twice.
        stats: path, size and time of change of each.
    """

    files: Sequence[Path]
    described: dict[Path, Input]
    stats: list[Any]

    @classmethod
    def of(cls, files: Sequence[Path], hashed: Sequence[Path]) -> "Contents":
        """Look at all files, and at the content of some: of those that are read in this process."""
        stats = source.states(files)
        regular = [path for path in hashed if not pipes.is_pipe(path)]
        return cls(files, dict(zip(regular, manifest.describe(regular), strict=True)), stats)

    @property
    def key(self) -> list[Any]:
        """What tells the corpus from others: name and content, or path, size and time."""
        known = self.described
        return [
            [path.name, known[path].sha256] if path in known else stat
            for path, stat in zip(self.files, self.stats, strict=True)
        ]

    def inputs(self, files: Sequence[Path]) -> tuple[Input, ...]:
        """Sizes and hashes for a manifest, once some of the files are read.

        Raises:
            DataError: the files are not what they were.
        """
        rest = [path for path in files if path not in self.described]
        others = manifest.describe(rest, once=True)
        described = self.described | dict(zip(rest, others, strict=True))
        if source.states(self.files) != self.stats:
            raise DataError("the corpus changed while it was read", do="start again")
        return tuple(described[path] for path in files)


def names_and_hashes(inputs: Sequence[Input]) -> list[tuple[str, str]]:
    """Inputs without the folders that they lie in, in order."""
    return [(Path(entry.path).name, entry.sha256) for entry in inputs]
