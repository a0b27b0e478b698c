"""The records of a stage that reads sequences of any kind of file, standard input included."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Input
from sslkit.contracts import RecordDomain
from sslkit.errors import DataError, OnError, ResourceError
from sslkit.files import scratch, sequences, source, table
from sslkit.types import Record

Span = npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class Files:
    """Files to read, in order; ``names`` are what the user calls them."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    reference: Path | None

    @staticmethod
    @contextmanager
    def found(
        asked: list[Path], reference: Path | None, endings: tuple[str, ...] = sequences.ENDINGS
    ) -> Iterator["Files"]:
        """Find files, folders and globs. Standard input is kept in scratch, to be read twice.

        Args:
            endings: of the files that are taken from a folder.

        Raises:
            UsageError: nothing there.
            ResourceError: no room for standard input.
        """
        paths = source.find(asked, endings)
        with scratch.folder() as folder:
            kept = [_kept(path, folder) for path in paths]
            yield Files(tuple(kept), tuple(map(str, paths)), reference)

    def __str__(self) -> str:
        shown = ", ".join(self.names[:3])
        return shown if len(self.names) <= 3 else f"{shown} and {len(self.names) - 3} more"

    def describe(self) -> tuple[Input, ...]:
        """Names, sizes and hashes, the reference last."""
        found = manifest.describe(self.paths)
        named = tuple(replace(one, path=n) for one, n in zip(found, self.names, strict=True))
        return named + (manifest.describe([self.reference]) if self.reference else ())


def _kept(path: Path, folder: Path) -> Path:
    if path != source.STDIN:
        return path
    copy = folder / "stdin"
    try:
        with source.open_bytes(path) as stream, copy.open("wb") as target:
            shutil.copyfileobj(stream, target)
    except OSError as error:
        raise ResourceError(
            f"standard input cannot be kept in {folder.parent}",
            why=str(error),
            do="set TMPDIR to a folder with more room, or name a file",
        ) from error
    return copy


@dataclass(frozen=True)
class Reading:
    """How the files become records of a domain."""

    domain: RecordDomain
    files: Files
    on_error: OnError
    sequence_column: str | None
    id_column: str | None
    label_column: str | None

    def records(self) -> Iterator[Record]:
        """All records in order, checked by the domain.

        Raises:
            DataError: a bad record where these stop the run, or a table without the label column.
        """
        for path, name in zip(self.files.paths, self.files.names, strict=True):
            for found in self._read(path):
                record = found if found.source == name else replace(found, source=name)
                if self.label_column and not record.error:
                    self._check_label(record, self.label_column)
                yield record

    def _read(self, path: Path) -> Iterator[Record]:
        if not (self.files.reference or self.sequence_column or self.id_column):
            yield from self.domain.read(path, self.on_error)
            return
        columns = self.sequence_column, self.id_column
        if any(columns) and self._is_table(path):
            rows = table.read(path, *columns, self.on_error)
            yield from sequences.of_rows(rows, path, self.domain.record, self.on_error)
            return
        for record in sequences.read(path, self.on_error, reference=self.files.reference):
            yield self.domain.check(record, self.on_error)

    def _is_table(self, path: Path) -> bool:
        with source.open_bytes(path) as stream:
            found = sequences.kind_of(stream, path, bool(self.files.reference), has_column=True)
            return found == "table"

    def _check_label(self, record: Record, column: str) -> None:
        if column not in record.metadata:
            raise DataError(
                f"there is no column {column!r}",
                where=record.where,
                why=f"there is: {', '.join(record.metadata) or 'none, this is no table'}",
                do="mend --label-column",
            )

    def label(self, record: Record) -> str | None:
        """The cell of the label column; None where it is empty."""
        return (record.metadata.get(self.label_column) or None) if self.label_column else None

    def span(self, record: Record) -> tuple[Span, Span]:
        """Start and end of an interval, [1] each; None for a record that is none."""
        if self.files.reference is None or "start" not in record.metadata:
            return None, None
        start, end = (np.array([int(record.metadata[name])]) for name in ("start", "end"))
        return start, end
