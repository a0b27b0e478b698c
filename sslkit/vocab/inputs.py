"""What a count reads of a file: its bytes, one column of a table, or its sequences as FASTA."""

import codecs
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, cast

from sslkit.errors import OnError
from sslkit.files import alignment, dialects, fastq, genbank, kmers, sequences, source, table
from sslkit.files.columns import Columns
from sslkit.files.pieces import Pieces
from sslkit.types import Record

_BLOCK = 1 << 19
_HEAD = 256
# What may end a line, or stand where it ends, but does not count.
_BLANKS = (b" ", b"\t", b"\v", b"\f")
# Reads longer than this are read one by one.
_LONG_READ = 1 << 22
#: Longest row of a table, as bytes; rows are held whole.
LONGEST_ROW = 1 << 24
# A sequence begins with a space, so that no letter of it looks like the title of another one.
_FASTA = b">%s\n %s\n"


@dataclass(frozen=True)
class Inputs:
    """How files are opened.

    Attributes:
        fasta: whether the scheme's readers want FASTA.
        divide: bytes behind whose first one a file of the scheme may be divided.
        columns: of tables, of which the sequences are counted.
        own: endings of the names of files that the domain reads as they are.
        has_tables, has_pairs: whether the domain's files may be tables where no column is named,
            or lines of two texts.
        whole: endings of names of files that are not divided.
        on_error: whether records that cannot be read stop the run, or count as bad ones.
        once: whether each file is opened once, so that pipes need not be kept.
    """

    fasta: bool
    divide: bytes
    columns: Columns
    on_error: OnError
    whole: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    has_tables: bool = True
    has_pairs: bool = False
    once: bool = False

    @contextmanager
    def open(self, path: Path) -> Iterator[IO[bytes]]:
        """A stream of what is to be counted."""
        with source.open_bytes(path, once=self.once) as stream:
            yield self._converted(stream, path)

    def mark(self, path: Path) -> bytes:
        """``divide``, or nothing where the bytes of a file are not what is counted."""
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
        plain = head and not source.compression(head) and not self._is_table(path, head)
        if path.name.lower().endswith(self.whole):
            return b""
        return self.divide if plain and not (self.fasta and _kind(head, path)) else b""

    def _converted(self, stream: io.BufferedReader, path: Path) -> IO[bytes]:
        if self._is_table(path, stream.peek(_HEAD)[:_HEAD]):
            bad: Counter[str] = Counter()
            return io.BufferedReader(Pieces(self._cells(stream, path, bad), bad), _BLOCK)
        if not self.fasta:
            return stream
        kind = _kind(stream.peek(_HEAD)[:_HEAD], path)
        if kind == "fastq":
            pieces = self._reads(stream, path)
        elif kind == "genbank":
            pieces = genbank.as_fasta(stream, path, self._check)
        elif kind == "stockholm":
            pieces = self._records(alignment.parse(stream, path))
        elif kind == "rows":
            pieces = self._records(alignment.parse_fasta(stream, path))
        else:
            return dialects.plain(stream, path)
        return io.BufferedReader(Pieces(pieces), _BLOCK)

    def _cells(self, stream: io.BufferedReader, path: Path, bad: Counter[str]) -> Iterator[bytes]:
        for row in table.parse(stream, path, self.columns, self.on_error, LONGEST_ROW):
            text = row.text.encode("utf-8", "surrogateescape")
            if self.fasta:
                name = row.id.encode("utf-8", "replace")
                if problem := kmers.problem(text.split()):
                    bad_row = Record(row.id, b"", str(path), row.number, error=problem)
                    self._check(bad_row, skip_helps=row.number > 1)
                    text = b""
                yield _FASTA % (name, text.replace(b"\n", b" ").replace(b"\r", b" "))
            elif row.error:
                bad["rows"] += 1
            else:
                yield text + b"\n"

    def _is_table(self, path: Path, head: bytes) -> bool:
        named = self.columns.are_named
        if not named and (not self.has_tables or (self.has_pairs and table.are_pairs(head))):
            return False
        return table.is_table(path, head, self.own, is_named=named)

    def _reads(self, stream: io.BufferedReader, path: Path) -> Iterator[bytes]:
        """Reads of four lines each by the thousand, and what else FASTQ may be one by one."""
        number = 0
        rest = b""
        blocks = source.unix_lines(stream, _BLOCK)
        for block in blocks:
            rest += block if number or rest else _without_mark(block)
            made, used = _four_lines(rest)
            if not used and len(rest) > _LONG_READ:
                break
            yield made
            number += made.count(b"\n") // 2
            rest = rest[used:]
        if rest.strip() or not number:
            left = cast(io.BufferedReader, io.BufferedReader(Pieces(chain([rest], blocks))))
            yield from self._records(fastq.parse(left, path, number))

    def _records(self, found: Iterable[Record]) -> Iterator[bytes]:
        for record in found:
            self._check(record)
            yield _FASTA % (record.id.encode(), record.payload)

    def _check(self, record: Record, *, skip_helps: bool = True) -> None:
        if record.error and self.on_error == "stop":
            raise sequences.bad_record(record, skip_helps=skip_helps)


def _without_mark(head: bytes) -> bytes:
    """The first bytes of a file less what may stand before them."""
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def _kind(head: bytes, path: Path) -> str:
    """What a file of sequences that begins so must be turned into FASTA from; empty for FASTA."""
    signs = {b"@": "fastq", b"LOCUS ": "genbank", alignment.SIGN: "stockholm"}
    text = _without_mark(head)
    known = next((kind for sign, kind in signs.items() if text.startswith(sign)), "")
    return known or ("rows" if alignment.is_named(path) else dialects.kind(head, path))


def _four_lines(text: bytes) -> tuple[bytes, int]:
    """Whole reads of FASTQ in its usual form as FASTA, and how many bytes they took.

    Nothing where it is of another form, or broken.
    """
    lines = text.split(b"\n")
    whole = (len(lines) - 1) // 4 * 4
    titles, letters, signs, marks = (lines[place:whole:4] for place in range(4))
    if (
        all(title.startswith(b"@") for title in titles)
        and all(sign.startswith(b"+") for sign in signs)
        and list(map(len, letters)) == list(map(len, marks))
        and _are_bare(b"".join(letters), b"+")
        and _are_bare(b"".join(marks))
    ):
        pairs = zip(titles, letters, strict=True)
        made = b"".join([_FASTA % (title[1:], seq) for title, seq in pairs])
        return made, sum(map(len, lines[:whole])) + whole
    return b"", 0


def _are_bare(text: bytes, *others: bytes) -> bool:
    """Whether lines have neither blanks in them nor other bytes."""
    return not any(odd in text for odd in (*_BLANKS, *others))


def passed_over(stream: IO[bytes]) -> int:
    """How many rows that cannot be used a stream, read to its end, has left out."""
    made = getattr(stream, "raw", None)
    return made.bad.total() if isinstance(made, Pieces) else 0
