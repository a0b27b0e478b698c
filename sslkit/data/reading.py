"""The records of a stage that reads sequences of any kind of file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from sslkit.artifacts import destination, kinds, manifest
from sslkit.artifacts.manifest import Input
from sslkit.console import Console, plural
from sslkit.data import inherited
from sslkit.data.repeats import Repeats, hashed
from sslkit.data.tables import Reader
from sslkit.engine.assemble import Parts
from sslkit.errors import DataError, EmptyFileError, OnError
from sslkit.files import folders, references, sequences, table
from sslkit.files.columns import Columns
from sslkit.files.folders import Listing
from sslkit.options import Common
from sslkit.types import Record

Span = npt.NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True)
class RecordOptions(Common):
    """Options of a stage that reads records with a checkpoint; the command line explains them."""

    input: list[Path]
    checkpoint: Path
    window: int | None
    overlap: int | None
    batch_tokens: int
    precision: Literal["auto", "fp32", "bf16"]
    reference: Path | None
    sequence_column: str | None
    id_column: str | None
    label_column: str | None
    all_files: bool


@dataclass(frozen=True)
class Files:
    """Files to read, in order, and the FASTA that intervals lie on."""

    listing: Listing
    reference: Path | None

    @staticmethod
    def of(options: RecordOptions, out: Path, kind: kinds.Kind, own: tuple[str, ...]) -> "Files":
        """The files that options name.

        Args:
            out: what will be written, a table of that kind.
            own: endings of the names of files that the domain reads as they are.

        Raises:
            UsageError: there are none, or the output would be one of them.
        """
        endings = table.ENDINGS if options.sequence_column else own
        listing = folders.find(
            options.input, endings, all_files=options.all_files, on_error=options.on_error
        )
        destination.check_corpus(out, kind, options.input, endings, listing.files)
        return Files(listing, options.reference)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files without the reference."""
        return self.listing.files

    def __str__(self) -> str:
        names = ", ".join(map(str, self.paths[:3]))
        return names if len(self.paths) <= 3 else f"{names} and {len(self.paths) - 3} more"

    def remark(self, console: Console) -> None:
        """Say what is odd about the reference."""
        if self.reference and (remark := references.remark(self.reference)):
            console.say(remark)

    def describe(self) -> tuple[Input, ...]:
        """Names, sizes and hashes, the reference last."""
        return manifest.describe([*self.paths, *([self.reference] if self.reference else [])])


def check_empty(records: int, empty: list[Path], files: Files, console: Console) -> None:
    """Say how many files are empty; refuse an input that holds no record at all.

    Raises:
        DataError: all files are empty.
    """
    if not records:
        raise DataError("there is no record to read", where=str(files), do="name other files")
    if empty:
        console.warn(f"{plural(len(empty), 'empty or unreadable file')} passed over, as {empty[0]}")


def empty_files(empty: list[Path]) -> dict[str, int]:
    """How many files hold nothing, for a manifest, where there are any."""
    return {"empty_files": len(empty)} if empty else {}


class Ids:
    """Ids of records as they pass, in bounded memory, and whether they repeat."""

    def __init__(self) -> None:
        self._repeats = Repeats()
        self._count = 0

    def add(self, name: str) -> None:
        """The id of the next record."""
        self._count += 1
        self._repeats.add(hashed(name.encode("utf-8", "surrogatepass")), self._count)

    def warn(self, console: Console) -> None:
        """Say how many records have the id of an earlier one."""
        found = self._repeats.found()
        if found.example is None:
            return
        again, first = found.example
        about = "" if found.exact else "about "
        console.warn(
            f"{about}{found.count} records have the id of an earlier one, as record {again} that "
            f"of record {first}: rows tell them apart, ids do not"
        )


@dataclass(frozen=True)
class Reading:
    """How the files become records of a domain."""

    files: Files
    on_error: OnError
    reader: Reader
    label_column: str | None = None

    @staticmethod
    def of(
        options: RecordOptions, files: Files, model: Parts, own: tuple[str, ...], console: Console
    ) -> "Reading":
        """The reading that options ask for, with columns as the checkpoint's corpus had them.

        Args:
            own: endings of the names of files that the domain reads as they are.

        Raises:
            DataError: a table that lacks a column.
        """
        named = options.sequence_column, options.label_column, options.id_column
        columns = Columns(*named)
        if columns.sequence is None:
            origin = model.manifest, model.path
            column = inherited.sequence_column(*origin, files.paths, own, console)
            columns = replace(columns, sequence=column)
        reader = Reader(model.domain, own, columns)
        if files.reference is None:
            reader, note = reader.settled(files.paths)
            if note:
                console.warn(note)
        return Reading(files, options.on_error, reader, options.label_column)

    def records(self, empty: list[Path] | None = None) -> Iterator[Record]:
        """All records in order, checked by the domain.

        Args:
            empty: gets the files that hold nothing, where these are passed over.

        Raises:
            DataError: a bad record or an empty file where these stop the run, or a table without
                the label column.
        """
        for path in self.files.paths:
            try:
                yield from self._checked(path)
            except EmptyFileError:
                if self.on_error == "stop":
                    raise
                if empty is not None:
                    empty.append(path)

    def _checked(self, path: Path) -> Iterator[Record]:
        for record in self._read(path):
            if self.label_column and not record.error:
                self._check_label(record, self.label_column)
            yield record

    def _read(self, path: Path) -> Iterator[Record]:
        if self.files.reference is None:
            yield from self.reader.read(path, self.on_error)
            return
        domain, reference = self.reader.domain, self.files.reference
        columns = self.reader.columns
        records = sequences.read(path, "skip", reference=reference, columns=columns)
        checked = (domain.check(record, "skip") for record in records)
        yield from sequences.stopping(checked, self.on_error)

    def _check_label(self, record: Record, column: str) -> None:
        if column not in record.metadata:
            raise DataError(
                f"there is no column {column!r}",
                where=record.where,
                why=f"there is: {', '.join(record.metadata) or 'none, this is no table'}",
                do="mend --label-column",
            )

    def describe(self) -> dict[str, str | None]:
        """The columns that were named or inherited, for a manifest."""
        columns = self.reader.columns
        return {
            "sequence_column": columns.sequence,
            "id_column": columns.id,
            "label_column": self.label_column,
        }

    def label(self, record: Record) -> str | None:
        """The cell of the label column; None where it is empty."""
        return (record.metadata.get(self.label_column) or None) if self.label_column else None

    def span(self, record: Record) -> tuple[Span, Span]:
        """Start and end of an interval, [1] each; None for a record that is none."""
        if self.files.reference is None or "start" not in record.metadata:
            return None, None
        start, end = (np.array([int(record.metadata[name])]) for name in ("start", "end"))
        return start, end
