"""Records that a program gives: texts, pairs of id and text, tables and series of pandas."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sslkit.contracts.domain import RecordDomain
from sslkit.errors import DataError, UsageError
from sslkit.files import table
from sslkit.files.columns import Columns
from sslkit.types import Record


@runtime_checkable
class Mapped(Protocol):
    """A series of pandas, or a mapping: texts by id."""

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Id and text of each."""
        ...


#: What stands for a file in messages.
_SOURCE = "the records given"


def records(domain: RecordDomain, given: Any) -> list[Record]:
    """Records that a domain can use, in order.

    Args:
        given: texts; (id, text) pairs; ``Record`` objects; a frame of pandas, whose columns are
            found by their usual names as those of files; a series, whose index holds the ids; or a
            mapping of ids to texts. Others are numbered from 1.

    Raises:
        UsageError: something else, or none.
        DataError: one that the domain refuses.
    """
    found = []
    for number, one in enumerate(_pairs(given), 1):
        if isinstance(one, Record):
            record = domain.check(one, "stop")
        else:
            name, text = one
            if not isinstance(text, str):
                raise DataError(
                    "a record cannot be used",
                    where=f"{_SOURCE}, record {number}",
                    why=f"it is {text!r:.40}, not a text",
                )
            record = domain.record(str(number) if name is None else name, text, _SOURCE, number)
        if record.error:
            raise DataError("a record cannot be used", where=record.where, why=record.error)
        found.append(record)
    if not found:
        raise UsageError("there is no record", do="give one or more")
    return found


def _pairs(given: Any) -> Iterator[Record | tuple[str | None, Any]]:
    """Records as they are, and of others the id, where they have one, and the text."""
    if isinstance(given, str | bytes | Record) or not isinstance(given, Iterable):
        raise UsageError(
            f"records are several, not one {type(given).__name__}", do="give a list of them"
        )
    if hasattr(given, "columns") and hasattr(given, "iloc"):
        yield from _rows(given)
        return
    if isinstance(given, Mapped):
        yield from ((str(name), text) for name, text in given.items())
        return
    for one in given:
        if isinstance(one, Record):
            yield one
        elif isinstance(one, str):
            yield None, one
        elif isinstance(one, tuple | list) and len(one) == 2:
            yield str(one[0]), one[1]
        else:
            raise UsageError(f"a record is a text, or an id and a text, not {one!r:.60}")


def _rows(frame: Any) -> Iterator[tuple[str | None, Any]]:
    """The ids and texts of a frame."""
    names = [str(name) for name in frame.columns]
    meant = table.meant(Path("a frame"), names, Columns())
    texts = frame.iloc[:, names.index(meant.sequence)]
    ids = [None] * len(texts) if meant.id is None else frame.iloc[:, names.index(meant.id)]
    for name, text in zip(ids, texts, strict=True):
        yield None if name is None else str(name), text
