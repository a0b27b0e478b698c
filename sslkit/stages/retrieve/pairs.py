"""Pairs of records for retrieve: lines of two texts, or two columns of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.artifacts import plugins
from sslkit.console import Console, plural
from sslkit.contracts.domain import Paired, TokenDomain
from sslkit.contracts.spec import token_ids
from sslkit.data import recognition
from sslkit.engine.assemble import Parts
from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import ids, sequences, source, table
from sslkit.files.columns import Columns
from sslkit.types import Array, Record

#: The ending of files of pairs, which is of no domain.
_PAIRS = ".tsv"

Ints = npt.NDArray[np.int64]
#: An id and the units of both sides; None for a bad row.
_Pair = tuple[str, Array, Array] | None


@dataclass(frozen=True)
class Pairs:
    """Pairs of records: ids, units and tokens of both sides."""

    ids: list[str]
    units: tuple[list[Array], list[Array]]
    tokens: tuple[list[Ints], list[Ints]]


def endings(columns: Columns, parts: Parts) -> tuple[str, ...]:
    """Endings of the files that are read of a folder; those of tables where columns are named.

    Raises:
        UsageError: the domain has no pairs.
    """
    if not isinstance(parts.domain, Paired):
        raise UsageError(
            f"{parts.domain_name} has no pairs of records of equal meaning",
            do="retrieve works with a checkpoint of the domain text",
        )
    module, _ = plugins.restore("domain", parts.manifest, parts.path)
    return table.ENDINGS if columns.are_named else (*recognition.endings(module), _PAIRS)


def read(
    paths: Sequence[Path], columns: Columns, on_error: OnError, parts: Parts, console: Console
) -> Pairs:
    """Read all pairs of some files.

    Raises:
        DataError: there are fewer than two pairs, or ids repeat.
    """
    domain = parts.domain
    assert isinstance(domain, Paired)
    paths, empty = _without_empty(paths, on_error)
    if empty:
        console.warn(f"{plural(len(empty), 'empty or unreadable file')} passed over, as {empty[0]}")
    if columns.are_named:
        columns, note = ids.settle(paths, columns)
        if note:
            console.warn(note)
        rows = list(_of_tables(paths, columns, on_error, domain))
    else:
        rows = list(_of_lines(paths, on_error, domain))
    pairs = [row for row in rows if row is not None]
    files = ", ".join(map(str, paths))
    if len(pairs) < len(rows):
        console.warn(f"{len(rows) - len(pairs)} lines are no pairs and are left out")
    if len(pairs) < 2:
        raise DataError("there is nothing to choose from", where=files, why=f"{len(pairs)} pairs")
    _check_ids([pair[0] for pair in pairs], files)
    units = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    tokens = _tokens(domain, units[0]), _tokens(domain, units[1])
    return Pairs([pair[0] for pair in pairs], units, tokens)


def _without_empty(
    paths: Sequence[Path], on_error: OnError
) -> tuple[Sequence[Path], Sequence[Path]]:
    """The files to read, and the empty ones that are passed over."""
    empty = [path for path in paths if on_error == "skip" and source.is_empty(path)]
    return [path for path in paths if path not in empty], empty


def _of_lines(paths: Sequence[Path], on_error: OnError, domain: Paired) -> Iterator[_Pair]:
    for path in paths:
        # Lines are numbered: two files share every number.
        prefix = ids.prefix(path, paths, None)
        for record in domain.pairs(path, on_error):
            yield None if record.error else (prefix + record.id, *domain.sides(record.payload))


def _of_tables(
    paths: Sequence[Path], columns: Columns, on_error: OnError, domain: TokenDomain
) -> Iterator[_Pair]:
    """The cells of two columns, each read as a record."""
    for path in paths:
        names = table.columns(path, columns)
        prefix = ids.prefix(path, paths, names.id)
        for row in table.read(path, columns, on_error):
            if row.error:
                yield None
                continue
            texts = row.text, row.values[names.label or ""]
            sides = [domain.record(row.id, text, str(path), row.number) for text in texts]
            bad = next((side for side in sides if side.error), None)
            if bad is not None and on_error == "stop":
                raise sequences.bad_record(bad, skip_helps=row.number > 1)
            yield None if bad else _pair(prefix + row.id, sides, domain)


def _pair(name: str, sides: Sequence[Record], domain: TokenDomain) -> _Pair:
    first, second = (domain.encode(side) for side in sides)
    return name, first, second


def _check_ids(names: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(
                f"the id {name!r} stands twice",
                where=where,
                why="results name records by their ids",
                do="give every pair an id of its own, or name another column with --id-column",
            )
        seen.add(name)


def _tokens(domain: TokenDomain, units: list[Array]) -> list[Ints]:
    """Ids of the tokens of each record that are in the vocabulary."""
    tokens = []
    for row in units:
        ids_of_row = domain.batch(row[None], np.array([len(row)]), None)["tokens"][0]
        tokens.append(ids_of_row[ids_of_row < token_ids(domain.spec).size])
    return tokens
