"""GenBank flat files: sequence, accession and what they say of the organism."""

import importlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from Bio import BiopythonParserWarning

from sslkit.errors import DataError
from sslkit.files import source
from sslkit.types import Record

ENDINGS = (".gb", ".gbk", ".gbff", ".genbank")

_BLOCK = 1 << 19
_LINE = 1 << 12
_LENGTH = re.compile(rb"\s(\d+) (?:bp|aa|rc)\b")
_NO_SEQUENCE = "it has no sequence of its own, only its length or its parts"


def read(path: Path) -> Iterator[Record]:
    """The sequences of a GenBank file in order, letters as bytes.

    The id is the accession with its version; ``metadata`` holds title and organism. A record
    without a sequence (a CONTIG line only) carries ``error``.

    Raises:
        DataError: a file without a record, or one that cannot be parsed.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path)


def parse(stream: io.BufferedReader, path: Path) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors."""
    # Loaded with the first such file: every command would take as long to start as NumPy does.
    sequences: Any = importlib.import_module("Bio.Seq")
    found = importlib.import_module("Bio.SeqIO").parse(source.as_text(stream), "genbank")
    number = 0
    while True:
        try:
            with warnings.catch_warnings():
                for damage in ("Premature end of file", "Expected sequence length"):
                    warnings.filterwarnings("error", damage, BiopythonParserWarning)
                entry = next(found, None)
        except (ValueError, AttributeError, IndexError, BiopythonParserWarning) as error:
            # Bio's parser shows some kinds of damage as a warning or as one of the middle two.
            raise _damaged(str(path), number + 1, str(error)) from error
        if entry is None:
            break
        number += 1
        metadata = {"title": entry.description}
        if organism := entry.annotations.get("organism"):
            metadata["organism"] = organism
        try:
            letters, problem = bytes(entry.seq), ""
        except sequences.UndefinedSequenceError:
            letters, problem = b"", _NO_SEQUENCE
        yield Record(entry.id or str(number), letters, str(path), number, metadata, problem)
    if not number:
        raise source.empty(path, "it holds no LOCUS")


def as_fasta(
    stream: io.BufferedReader, path: Path, refuse: Callable[[Record], None]
) -> Iterator[bytes]:
    """The sequences of a GenBank file as FASTA, in pieces, so that none is held whole.

    Args:
        path: its name in errors.
        refuse: called with a record without a sequence; where it returns, an empty one is given.

    Raises:
        DataError: a file without a record, cut off, or with another length than it says.
    """
    found = _Records(str(path), refuse)
    for block in source.unix_lines(stream, _BLOCK):
        yield from found.feed(block)
    if found.name:
        raise _damaged(str(path), found.number, "Premature end of file in sequence data")
    if not found.number:
        raise source.empty(path, "it holds no LOCUS")


class _Records:
    """What was met of a file: whose record, and how much of its sequence."""

    def __init__(self, where: str, refuse: Callable[[Record], None]) -> None:
        self._where = where
        self._refuse = refuse
        self._rest = b""
        self._inside = False
        self._length = self._expected = 0
        self.number = 0
        self.name = ""

    def feed(self, block: bytes) -> Iterator[bytes]:
        self._rest += block
        while True:
            yield from self._letters() if self._inside else self._head()
            if not self._inside and b"\n" not in self._rest:
                # Of a line that has no end yet, only its first words matter.
                self._rest = self._rest[:_LINE]
                return
            if self._inside and b"\n//" not in self._rest:
                return

    def _head(self) -> Iterator[bytes]:
        """Lines up to where a sequence begins, or the record ends without one."""
        at = 0
        while not self._inside and (end := self._rest.find(b"\n", at)) >= 0:
            line, at = self._rest[at:end], end + 1
            words = line.decode("utf-8", "replace").split(maxsplit=2)
            if line.startswith(b"LOCUS ") and len(words) > 1:
                length = _LENGTH.search(line)
                self.number, self.name, self._length = self.number + 1, words[1], 0
                self._expected = int(length[1]) if length else 0
            elif line.startswith(b"VERSION ") and len(words) > 1:
                self.name = words[1]
            elif self.name and line.startswith((b"ORIGIN", b"//")):
                yield b">%s\n" % self.name.encode()
                self._inside = True
                at = at if line.startswith(b"O") else at - len(line) - 1
        self._rest = b"\n" * self._inside + self._rest[at:]

    def _letters(self) -> Iterator[bytes]:
        end = self._rest.find(b"\n//")
        # A line feed may begin the line that ends the record.
        whole = len(self._rest.removesuffix(b"/").removesuffix(b"\n")) if end < 0 else end
        letters = self._rest[:whole].translate(None, b"0123456789 \t\n")
        self._rest = self._rest[whole:]
        self._length += len(letters)
        yield letters
        if end < 0:
            return
        if not self._length:
            self._refuse(Record(self.name, b"", self._where, self.number, error=_NO_SEQUENCE))
        elif self._length != self._expected:
            why = f"Expected sequence length {self._expected}, found {self._length}"
            raise _damaged(self._where, self.number, why)
        yield b"\n"
        self._rest, self._inside, self.name = self._rest[3:], False, ""


def _damaged(where: str, number: int, why: str) -> DataError:
    return DataError(
        "a GenBank file cannot be parsed",
        where=f"{where}, record {number}",
        why=why,
        do="mend the file, or fetch it again",
    )
