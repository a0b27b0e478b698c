"""Labels of each letter as FASTA files: the labels themselves, sequences and masks, by id.

A record of labels has as letters what a table has in its label column. Its title may settle its
part of the split, as FLIP's do: ``>1es5-A SET=train VALIDATION=False``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import fasta, source
from sslkit.files.labelled import PART_NAMES, Example, gathered
from sslkit.types import Labelled, Record

#: What a mask says of a letter.
_HIDDEN, _SHOWN = "0", "1"


@dataclass(frozen=True)
class Beside:
    """What stands in files of its own.

    Attributes:
        sequences: letters of the records.
        mask: for each letter 1 where its label counts and 0 where it does not; None: all count.
        unknown: the label that stands where none counts.
    """

    sequences: Path
    mask: Path | None
    unknown: str


def is_fasta(path: Path) -> bool:
    """Whether a file of labels is FASTA, by its first letter; a folder is none."""
    if path == source.STDIN or path.is_dir():
        return False
    with source.open_bytes(path) as stream:
        return stream.peek(1)[:1] == b">"


def read(files: Mapping[str, Sequence[Path]], beside: Beside, on_error: OnError) -> Labelled:
    """The records of FASTA files of labels, in the order given.

    Args:
        files: by part; those under "" are settled by their titles, or not at all.
        on_error: what a record does that has no sequence, or a mask of another length.

    Raises:
        UsageError: a part that is given twice.
        DataError: a record that cannot be used; an id that stands twice.
    """
    texts = _by_id(beside.sequences)
    masks = None if beside.mask is None else _by_id(beside.mask)
    wanted = [(part, path) for part, paths in files.items() for path in paths]
    settled = {part for part, _ in wanted if part}
    found: list[Example] = []
    skipped = 0
    for part, path in wanted:
        for record in fasta.read(path):
            label, problem = _label(record, texts, masks, beside)
            if problem and on_error == "stop":
                raise DataError(
                    "a record cannot be used",
                    where=record.where,
                    why=problem,
                    do="mend the files, or pass such records over with --on-error skip",
                )
            if problem:
                skipped += 1
                continue
            said = "" if part else _part(record)
            if said in settled:
                raise UsageError(
                    f"the {said} part is given twice",
                    why=f"titles of {path} name it, and there is a file of its own",
                    do="leave one of them out",
                )
            text = source.decoded(texts[record.id].payload)
            labelled = Record(record.id, text, record.source, record.number)
            found.append(Example(labelled, label, part or said))
    others = [path for path in (beside.sequences, beside.mask) if path is not None]
    return gathered(found, [*wanted, *(("", path) for path in others)], skipped)


def _by_id(path: Path) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in fasta.read(path):
        if (first := found.setdefault(record.id, record)) is not record:
            raise DataError(
                f"the id {record.id!r} stands twice",
                where=record.where,
                why=f"it is that of record {first.number}, too",
                do="give every record an id of its own",
            )
    return found


def _label(
    record: Record,
    texts: Mapping[str, Record],
    masks: Mapping[str, Record] | None,
    beside: Beside,
) -> tuple[str, str]:
    """The label with what is masked hidden, and what is wrong with it."""
    label = source.decoded(record.payload)
    if record.error:
        return "", record.error
    if record.id not in texts:
        return "", f"{beside.sequences} has no sequence of this id"
    if problem := texts[record.id].error:
        return "", f"its sequence in {beside.sequences}: {problem}"
    if masks is None:
        return label, ""
    if record.id not in masks:
        return "", f"{beside.mask} has no mask of this id"
    if problem := masks[record.id].error:
        return "", f"its mask in {beside.mask}: {problem}"
    mask = source.decoded(masks[record.id].payload)
    if unknown := sorted(set(mask) - {_HIDDEN, _SHOWN}):
        return "", f"its mask in {beside.mask} holds {unknown[0]!r}; there is 0 and 1"
    if len(mask) != len(label):
        return "", f"its mask in {beside.mask} has {len(mask)} letters and its label {len(label)}"
    return "".join(_hidden(label, mask, beside.unknown)), ""


def _hidden(label: str, mask: str, unknown: str) -> Iterator[str]:
    for letter, shown in zip(label, mask, strict=True):
        yield letter if shown == _SHOWN else unknown


def _part(record: Record) -> str:
    """The part that a title settles by SET=, and by VALIDATION=True; "" where it does not.

    Raises:
        DataError: SET= is no part of a split.
    """
    said = {}
    for word in record.metadata.get("title", "").split():
        name, equals, value = word.partition("=")
        if equals:
            said[name.upper()] = value.lower()
    if "SET" not in said:
        return ""
    part = PART_NAMES.get(said["SET"], "")
    if not part:
        raise DataError(
            f"{said['SET']!r} is not a part of a split",
            where=record.where,
            do=f"there is: {', '.join(PART_NAMES)}",
        )
    return "valid" if part == "train" and said.get("VALIDATION") == "true" else part
