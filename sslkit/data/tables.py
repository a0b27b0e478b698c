"""Records of tables among the files of a domain, where columns were named or ids are settled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sslkit.contracts.domain import RecordDomain
from sslkit.errors import OnError
from sslkit.files import ids, pipes, sequences, source, table
from sslkit.files.columns import USUAL, Columns
from sslkit.files.table import Row
from sslkit.types import Record


@dataclass(frozen=True)
class Reader:
    """How files become records of a domain.

    Attributes:
        own: endings of the names of files that the domain reads as they are.
        prefixes: what stands before the ids of a table.
    """

    domain: RecordDomain
    own: tuple[str, ...]
    columns: Columns = USUAL
    prefixes: Mapping[Path, str] = field(default_factory=dict)

    def is_table(self, path: Path) -> bool:
        """Whether a file is a table, here."""
        with source.open_bytes(path) as stream:
            return table.starts(stream, path, self.own, is_named=self.columns.are_named)

    def described(self, path: Path) -> list[str]:
        """What the columns add to what shapes the units of a file."""
        named = [name for name in (self.columns.sequence, self.columns.id) if name is not None]
        return [f"columns {named}"] if named and self.is_table(path) else []

    def settled(self, paths: Sequence[Path]) -> tuple["Reader", str]:
        """The same with ids that tell all rows of some files apart, and what is to be said of it.

        Raises:
            DataError: a table that lacks a column.
        """
        tables = [
            path
            for path in paths
            if (path.is_file() or pipes.is_pipe(path))
            and not source.is_empty(path)
            and self.is_table(path)
        ]
        columns, note = ids.settle(tables, self.columns)
        names = {path: table.columns(path, columns).id for path in tables}
        prefixes = {path: ids.prefix(path, tables, name) for path, name in names.items()}
        return replace(self, columns=columns, prefixes=prefixes), note

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The records of a file, checked by the domain.

        Raises:
            DataError: a bad record where these stop the run.
        """
        prefix = self.prefixes.get(path, "")
        if (self.columns == USUAL and not prefix) or not self.is_table(path):
            yield from self.domain.read(path, on_error)
            return
        rows: Iterator[Row] = table.read(path, self.columns, on_error)
        if prefix:
            rows = (replace(row, id=prefix + row.id) for row in rows)
        yield from sequences.of_rows(rows, path, self.domain.record, on_error)
