"""GenBank flat files: sequence, accession and what they say of the organism.

One reader serves all stages. It gives a record in pieces, so that counting holds none whole, and
what is wrong with it behind them: the file may end in the middle of it, another one may begin, or
it may have another length than its LOCUS says.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sslkit.files import longest, source
from sslkit.files.letters import Gathering
from sslkit.types import Record

ENDINGS = (".gb", ".gbk", ".gbff", ".genbank")

_BLOCK = 1 << 19
_LINE = 1 << 12
_LENGTH = re.compile(rb"\s(\d+) (?:bp|aa|rc)\b")
_SEQUENCE_ENDS = re.compile(rb"\n(?=//|[A-Z])")
_NO_LETTERS = b"0123456789 \t\n"
_NO_SEQUENCE = "it has no sequence of its own, only its length or its parts"
#: Fields whose text is kept, by the words that begin their lines; blanks go on with a field.
_FIELDS = {b"DEFINITION": "title", b"ACCESSION": "accession", b"VERSION": "version",
           b"  ORGANISM": "organism"}  # fmt: skip


@dataclass
class Head:
    """What stands before a sequence.

    Attributes:
        name: of its LOCUS.
        length: of its sequence, as its LOCUS says; None where it does not.
        fields: the first lines of text by name, and all of a title.
    """

    number: int
    name: str
    length: int | None
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The accession with its version, or what there is of it, or the name."""
        words = (self.fields.get(name, "").split() for name in ("version", "accession"))
        return next((found[0] for found in words if found), self.name or str(self.number))

    @property
    def metadata(self) -> dict[str, str]:
        """Title and organism."""
        title = self.fields.get("title", "").removesuffix(".")
        organism = self.fields.get("organism", "")
        return {"title": title, **({"organism": organism} if organism else {})}


#: What is wrong with the record that is whole now; empty for nothing.
End = str
Piece = Head | bytes | End


def read(path: Path) -> Iterator[Record]:
    """The sequences of a GenBank file in order, letters as bytes in upper case.

    The id is the accession with its version; ``metadata`` holds title and organism. A record
    without a sequence (a CONTIG line only), or that is damaged, carries ``error``.

    Raises:
        DataError: a file without a record.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path)


def parse(stream: io.BufferedReader, path: Path, *, spool: bool = False) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors.

    Args:
        spool: give the letters of long sequences as ``letters.Letters``.
    """
    head, letters = Head(0, "", None), Gathering()
    for piece in pieces(stream, path):
        if isinstance(piece, Head):
            head, letters = piece, Gathering(spool=spool)
        elif isinstance(piece, bytes):
            letters.write(piece.upper())
        else:
            problem = piece or (longest.problem() if letters.is_too_long else "")
            payload = b"" if problem else letters.value()
            yield Record(head.id, payload, str(path), head.number, head.metadata, problem)


def as_fasta(
    stream: io.BufferedReader, path: Path, refuse: Callable[[Record], None]
) -> Iterator[bytes]:
    """The sequences of a GenBank file as FASTA, in pieces, so that none is held whole.

    Args:
        path: its name in errors.
        refuse: called with a bad record; where it returns, the record ends with a byte 0, which
            no sequence has.

    Raises:
        DataError: a file without a record.
    """
    head = Head(0, "", None)
    for piece in pieces(stream, path):
        if isinstance(piece, Head):
            head = piece
            yield b">%s\n" % head.id.encode()
        elif isinstance(piece, bytes):
            yield piece
        else:
            if piece:
                refuse(Record(head.id, b"", str(path), head.number, error=piece))
            yield b"\0\n" if piece else b"\n"


def pieces(stream: io.BufferedReader, path: Path) -> Iterator[Piece]:
    """Each record as its head, its letters in pieces, and what is wrong with it.

    Raises:
        DataError: a file without a record.
    """
    reader = _Reader()
    for block in source.unix_lines(stream, _BLOCK):
        yield from reader.feed(block)
    yield from reader.finish()
    if not reader.number:
        raise source.empty(path, "it holds no LOCUS")


class _Reader:
    """What was met of a file: whose record, and how much of its sequence."""

    def __init__(self) -> None:
        self._rest = b""
        self._head: Head | None = None
        self._field = ""
        self._inside = False
        self._length = 0
        self.number = 0

    def feed(self, block: bytes) -> Iterator[Piece]:
        """The pieces that a block completes."""
        self._rest += block
        while True:
            yield from self._letters() if self._inside else self._lines()
            if not self._inside and b"\n" not in self._rest:
                # Of a line that has no end yet, only its first words matter.
                self._rest = self._rest[:_LINE]
                return
            if self._inside and not _SEQUENCE_ENDS.search(self._rest):
                return

    def finish(self) -> Iterator[Piece]:
        """What the end of the file completes: a last line, or a record that is cut off."""
        yield from self.feed(b"\n")
        if self._inside:
            yield from self._end("the file ends in the middle of its sequence")
        elif self._head:
            yield self._head
            yield from self._end("the file ends in the middle of it")

    def _lines(self) -> Iterator[Piece]:
        """Lines up to where a sequence begins, or the record ends without one."""
        at = 0
        while not self._inside and (end := self._rest.find(b"\n", at)) >= 0:
            line, at = self._rest[at:end], end + 1
            if line.startswith(b"LOCUS "):
                if self._head:
                    yield self._head
                    yield from self._end("another record begins in the middle of it")
                self._begin(line)
            elif self._head and line.startswith(b"ORIGIN"):
                yield self._head
                self._inside, self._length = True, 0
            elif self._head and line.startswith(b"//"):
                yield self._head
                yield from self._end(_NO_SEQUENCE)
            elif self._head:
                self._take(line)
        self._rest = b"\n" * self._inside + self._rest[at:]

    def _begin(self, line: bytes) -> None:
        words, length = source.decoded(line).split(maxsplit=2), _LENGTH.search(line)
        self.number += 1
        name = words[1] if len(words) > 1 else ""
        self._head = Head(self.number, name, int(length[1]) if length else None)
        self._field = ""

    def _take(self, line: bytes) -> None:
        """A line of the head, of which some fields are kept."""
        assert self._head is not None
        word = next((word for word in _FIELDS if line.startswith(word)), b"")
        fields = self._head.fields
        if word:
            self._field = _FIELDS[word]
            fields.setdefault(self._field, source.decoded(line[len(word) :]).strip())
        elif self._field == "title" and line.startswith(b" ") and len(fields["title"]) < _LINE:
            fields["title"] = f"{fields['title']} {source.decoded(line).strip()}".strip()
        else:
            self._field = ""

    def _letters(self) -> Iterator[Piece]:
        ends = _SEQUENCE_ENDS.search(self._rest)
        # A line feed may begin the line that ends the record.
        whole = ends.start() if ends else len(self._rest.removesuffix(b"/").removesuffix(b"\n"))
        letters = self._rest[:whole].translate(None, _NO_LETTERS)
        self._rest = self._rest[whole:]
        self._length += len(letters)
        if letters:
            yield letters
        if not ends:
            return
        is_whole = self._rest.startswith(b"\n//")
        yield from self._end(
            "" if is_whole else "another line begins in the middle of its sequence"
        )
        self._rest = self._rest[3 if is_whole else 1 :]

    def _end(self, problem: str) -> Iterator[Piece]:
        """The record is whole, or as much of it as there is."""
        assert self._head is not None
        expected = self._head.length
        if not problem and not self._length:
            problem = _NO_SEQUENCE
        elif not problem and expected not in {None, self._length}:
            problem = f"its LOCUS says {expected} letters, and it has {self._length}"
        self._head, self._inside = None, False
        yield problem
