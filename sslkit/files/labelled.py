"""Labelled tables: a sequence, its label and, where it is settled, its part of the split."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import source, table
from sslkit.types import Labelled

#: Names, in lower case, under which labels and parts are looked for, first match first.
LABEL_NAMES = ("label", "labels", "class", "target", "y", "value", "score", "fitness")
SPLIT_NAMES = ("split", "set", "part", "partition", "subset")

#: What files and columns call the parts of a split.
PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "eval"), "valid"),
    **dict.fromkeys(("test", "testing", "heldout", "holdout"), "test"),
}
#: Cells, in lower case, that hold no label.
MISSING = {"", "na", "n/a", "nan", "null", "<na>"}


@dataclass(frozen=True)
class Columns:
    """Where things are in a table; None looks for the usual names."""

    sequence_column: str | None = field(
        default=None,
        metadata={"help": f"column of the sequence: {', '.join(table.SEQUENCE_NAMES)}"},
    )
    label_column: str | None = field(
        default=None, metadata={"help": f"column of the label: {', '.join(LABEL_NAMES)}"}
    )
    id_column: str | None = field(
        default=None, metadata={"help": f"column of the id: {', '.join(table.ID_NAMES)}, or none"}
    )
    split_column: str | None = field(
        default=None, metadata={"help": f"column of the part: {', '.join(SPLIT_NAMES)}, or none"}
    )


@dataclass(frozen=True)
class Example:
    """One labelled record as a file has it; ``part`` is "" where the file does not say it."""

    id: str
    text: str
    label: str
    part: str
    source: str
    number: int


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
    found: list[Example] = []
    skipped = 0
    wanted = list(_expand(files))
    settled = {part for part, _ in wanted if part}
    for part, path in wanted:
        prefix = f"{path.name}:" if len(wanted) > 1 else ""
        for example in _examples(path, part, columns, prefix, on_error):
            if example is None:
                skipped += 1
            elif not part and example.part in settled:
                raise UsageError(
                    f"the {example.part} part is given twice",
                    why=f"{path} has a split column that names it, and there is a file of its own",
                    do="leave one of them out",
                )
            else:
                found.append(example)
    return gathered(found, wanted, skipped)


def gathered(
    found: Sequence[Example], wanted: Sequence[tuple[str, Path]], skipped: int
) -> Labelled:
    """The examples of all files together.

    Args:
        wanted: the files, and the part that each stands for, or "".

    Raises:
        DataError: there is none; an id that stands twice.
    """
    settled = any(part for part, _ in wanted)
    paths = tuple(path for _, path in wanted)
    if not found:
        raise DataError("there is no labelled record", where=", ".join(map(str, paths)))
    _check_ids(found)
    default = "train" if settled or any(example.part for example in found) else ""
    parts = tuple(example.part or default for example in found)
    return Labelled(
        ids=tuple(example.id for example in found),
        texts=tuple(example.text for example in found),
        labels=tuple(example.label for example in found),
        parts=parts if default else None,
        sources=tuple(example.source for example in found),
        numbers=tuple(example.number for example in found),
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


def _examples(
    path: Path, part: str, columns: Columns, prefix: str, on_error: OnError
) -> Iterator[Example | None]:
    """The rows of one file; None for one that was skipped."""
    if path == source.STDIN:
        raise UsageError("labels are not read from standard input", do="name a file")
    header = table.columns(path)
    label_at = _column(path, header, columns.label_column, LABEL_NAMES, "label")
    split_at = ""
    if not part and (columns.split_column or {n.lower() for n in header} & set(SPLIT_NAMES)):
        split_at = _column(path, header, columns.split_column, SPLIT_NAMES, "split")
    # Files without ids number their rows: two of them would share every number.
    if columns.id_column or {name.lower() for name in header} & set(table.ID_NAMES):
        prefix = ""
    for row in table.read(path, columns.sequence_column, columns.id_column, on_error):
        label = row.values.get(label_at, "").strip()
        if row.error or label.lower() in MISSING:
            if on_error == "stop":
                raise DataError(
                    "a record has no label",
                    where=f"{path}, row {row.number} ({row.id})",
                    why=f"its cell of column {label_at!r} is {label!r}",
                    do="mend the row, or pass such rows over with --on-error skip",
                )
            yield None
            continue
        given = part
        if split_at:
            given = PART_NAMES.get(row.values[split_at].strip().lower(), "")
            if not given and row.number == 1 and columns.split_column is None:
                # A column that is called "set" or "part" may mean something else altogether.
                split_at = ""
            elif not given:
                raise DataError(
                    f"{row.values[split_at]!r} is not a part of a split",
                    where=f"{path}, row {row.number} ({row.id}), column {split_at!r}",
                    do=f"there is: {', '.join(PART_NAMES)}",
                )
        yield Example(prefix + row.id, row.text, label, given, str(path), row.number)


def _column(
    path: Path, header: Sequence[str], asked: str | None, names: Iterable[str], what: str
) -> str:
    lowered = [name.lower() for name in header]
    found = asked if asked in header else None
    if asked is None:
        found = next((header[lowered.index(name)] for name in names if name in lowered), None)
    if found is None:
        raise DataError(
            f"a table lacks the column {asked!r}" if asked else f"a table lacks a {what} column",
            where=str(path),
            why=f"its columns are {', '.join(header)}",
            do=f"name the column with --set {what}_column=NAME",
        )
    return found


def _check_ids(found: Sequence[Example]) -> None:
    seen: dict[str, Example] = {}
    for example in found:
        if (first := seen.setdefault(example.id, example)) is not example:
            raise DataError(
                f"the id {example.id!r} stands twice",
                where=f"{example.source}, row {example.number}",
                why=f"it stands in {first.source}, row {first.number}, too",
                do="give every record an id of its own",
            )
