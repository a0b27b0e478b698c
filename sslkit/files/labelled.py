"""Labelled tables: a sequence, its label and, where it is settled, its part of the split."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import classes, columns, ids, source, table
from sslkit.files.columns import ID_NAMES, LABEL_NAMES, SEQUENCE_NAMES, SPLIT_NAMES
from sslkit.types import Labelled, Record

#: What files and columns call the parts of a split.
PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "eval"), "valid"),
    **dict.fromkeys(("test", "testing", "heldout", "holdout"), "test"),
}


@dataclass(frozen=True)
class Columns:
    """Where things are in a table; None looks for the usual names."""

    sequence_column: str | None = field(
        default=None,
        metadata={"help": f"column of the sequence: {', '.join(SEQUENCE_NAMES)}"},
    )
    label_column: str | None = field(
        default=None, metadata={"help": f"column of the label: {', '.join(LABEL_NAMES)}"}
    )
    id_column: str | None = field(
        default=None, metadata={"help": f"column of the id: {', '.join(ID_NAMES)}, or none"}
    )
    split_column: str | None = field(
        default=None, metadata={"help": f"column of the part: {', '.join(SPLIT_NAMES)}, or none"}
    )
    missing: str = field(
        default=",".join(classes.MISSING),
        metadata={
            "help": "cells that hold no label, exactly as written, with commas between them; an "
            "empty one always does"
        },
    )

    def wanted(self) -> columns.Columns:
        """The same for a reader of tables."""
        named = self.sequence_column, self.label_column, self.id_column, self.split_column
        return columns.Columns(*named, needs_label=True)


@dataclass(frozen=True)
class Example:
    """One labelled record as a file has it; ``part`` is "" where the file does not say it."""

    record: Record
    label: str
    part: str


def read(files: Mapping[str, Sequence[Path]], columns: Columns, on_error: OnError) -> Labelled:
    """The examples of all files, in the order given.

    Args:
        files: by part; those under "" are all for training where another part is given, and
            otherwise settled by their split column, or not at all. A folder stands for the
            files in it that are named after a part, as ``train.csv`` and ``dev.csv``.
        on_error: what a row without a usable label or id does.

    Raises:
        UsageError: a file that is not there; a part given twice.
        DataError: a missing column; an unusable row; an id that stands twice.
    """
    examples: list[Example] = []
    skipped = 0
    wanted = list(_expand(files))
    paths = [path for _, path in wanted]
    settled = {part for part, _ in wanted if part}
    if source.STDIN in paths:
        raise UsageError("labels are not read from standard input", do="name a file")
    where, note = ids.settle(paths, replace(columns.wanted(), split=None))
    marks = classes.missing(columns.missing)
    for part, path in wanted:
        asked = replace(where, split=None if part else columns.split_column)
        names = table.columns(path, asked)
        prefix = ids.prefix(path, paths, names.id)
        for example in _examples(_Table(path, part, names, asked, prefix, marks), on_error):
            if example is None:
                skipped += 1
            elif not part and example.part in settled:
                raise UsageError(
                    f"the {example.part} part is given twice",
                    why=f"{path} has a split column that names it, and there is a file of its own",
                    do="leave one of them out",
                )
            else:
                examples.append(example)
    return replace(gathered(examples, wanted, skipped), notes=(note,) if note else ())


def gathered(
    examples: Sequence[Example], wanted: Sequence[tuple[str, Path]], skipped: int
) -> Labelled:
    """The examples of all files together.

    Args:
        wanted: the files, and the part that each stands for, or "".

    Raises:
        DataError: there is none; an id that stands twice.
    """
    settled = any(part for part, _ in wanted)
    paths = tuple(path for _, path in wanted)
    if not examples:
        raise DataError("there is no labelled record", where=", ".join(map(str, paths)))
    _check_ids(examples)
    default = "train" if settled or any(example.part for example in examples) else ""
    parts = tuple(example.part or default for example in examples)
    return Labelled(
        records=tuple(example.record for example in examples),
        labels=tuple(example.label for example in examples),
        parts=parts if default else None,
        files=paths,
        skipped=skipped,
    )


def _expand(files: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, Path]]:
    for part, paths in files.items():
        for path in paths:
            if not path.is_dir():
                yield part, path
                continue
            inside = {
                f: PART_NAMES.get(source.plain_name(f).split(".")[0].lower(), "")
                for f in sorted(path.iterdir())
                if source.plain_name(f).lower().endswith(table.ENDINGS)
            }
            if part or not any(inside.values()):
                raise UsageError(
                    f"{path} is a folder",
                    why="a folder of labels holds files named train, valid (or dev) and test",
                    do="name the files",
                )
            yield from ((name, f) for f, name in inside.items() if name)


@dataclass(frozen=True)
class _Table:
    """One file of labels.

    Attributes:
        part: of the split that it stands for, or "".
        names: of its columns.
        prefix: of its ids.
        missing: cells that hold no label.
    """

    path: Path
    part: str
    names: table.Found
    columns: columns.Columns
    prefix: str
    missing: frozenset[str]

    def label(self, row: table.Row) -> str:
        """The label of a row; "" where it has none."""
        label = row.values.get(self.names.label or "", "").strip()
        return "" if label in self.missing else label


def _examples(file: _Table, on_error: OnError) -> Iterator[Example | None]:
    """The rows of one file; None for one that was skipped."""
    path, split_at = file.path, file.names.split
    rows = table.read(path, file.columns, on_error)
    for row in rows:
        label = file.label(row)
        if row.error or not label:
            if on_error == "stop":
                raise _no_label(file, row, rows)
            yield None
            continue
        part = file.part
        if split_at is not None and not file.part:
            part = PART_NAMES.get(row.values[split_at].strip().lower(), "")
            if not part and row.number == 1 and file.columns.split is None:
                # A column that is called "set" or "part" may mean something else altogether.
                split_at = None
            elif not part:
                raise DataError(
                    f"{row.values[split_at]!r} is not a part of a split",
                    where=f"{path}, row {row.number} ({row.id}), column {split_at!r}",
                    do=f"there is: {', '.join(PART_NAMES)}",
                )
        record = Record(file.prefix + row.id, row.text, str(path), row.number)
        yield Example(record, label, part)


def _no_label(file: _Table, row: table.Row, rest: Iterator[table.Row]) -> DataError:
    """The error of the first row without a label; says how many more there are."""
    cell = row.values[file.names.label or ""].strip()
    missing, total = 1, row.number
    with suppress(DataError):
        for other in rest:
            missing += not file.label(other)
            total = other.number
    few = "mend them, or pass them over with --on-error skip"
    if missing == total:
        few = "name the column of labels with --label-column"
    marked = f"; where {cell!r} is a class, say so: --set missing=" if cell else ""
    return DataError(
        "a record has no label",
        where=f"{file.path}, row {row.number} ({row.id})",
        why=f"its cell of column {file.names.label!r} is {cell!r}, and {missing} of {total} rows "
        "have no label",
        do=few + marked,
    )


def _check_ids(examples: Sequence[Example]) -> None:
    seen: dict[str, Record] = {}
    for record in (example.record for example in examples):
        if (first := seen.setdefault(record.id, record)) is not record:
            raise DataError(
                f"the id {record.id!r} stands twice",
                where=f"{record.source}, row {record.number}",
                why=f"it stands in {first.source}, row {first.number}, too",
                do="give every record an id of its own, or name another column with --id-column",
            )
