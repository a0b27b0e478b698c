"""FASTA as some programs write it, as plain FASTA: A3M of ColabFold and HH-suite, and PIR (NBRF).

In A3M a line that begins with ``#`` is a comment (ColabFold's first one has the lengths and copies
of chains), records named ss_*, sa_* and aa_* annotate the others and are no sequences, and a byte
0 may stand where an alignment ends. A record of PIR has a type before its name, a line of text
below that, and ``*`` behind its letters; what follows up to the next title is text as well.
"""

import codecs
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from sslkit.errors import DataError
from sslkit.files import source
from sslkit.files.pieces import Pieces

A3M_ENDINGS = (".a3m",)

_BLOCK = 1 << 19
_HEAD = 256
_A3M = re.compile(rb"#(?:A3M#|\d+(?:,\d+)*\t\d+(?:,\d+)*)\s")
_ANNOTATION = re.compile(rb">[ \t]*(?:ss|sa|aa)_")
#: More bytes than the beginning of a line needs to tell what the line is.
_TELLING = 16
_PIR = re.compile(rb">(?:P1|F1|DL|DC|RL|RC|N1|N3|XX);")


def is_a3m(path: Path) -> bool:
    """Whether the name of a file says that it is A3M."""
    return source.plain_name(path).lower().endswith(A3M_ENDINGS)


def kind(head: bytes, path: Path) -> str:
    """a3m or pir, by the first bytes of a file or by its name; empty for any other."""
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if _PIR.match(text):
        return "pir"
    return "a3m" if _A3M.match(text) or (is_a3m(path) and text[:1] in {b">", b"#"}) else ""


def plain(stream: io.BufferedReader, path: Path) -> io.BufferedReader:
    """An open file as plain FASTA: the stream itself where it is that, or of another format."""
    found = kind(stream.peek(_HEAD)[:_HEAD], path)
    if not found:
        return stream
    if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    reader = _A3m() if found == "a3m" else _Pir(str(path))
    return io.BufferedReader(Pieces(reader.convert(source.unix_lines(stream, _BLOCK))), _BLOCK)


class _Dialect(ABC):
    """Turns lines into those of plain FASTA; a long line comes in pieces."""

    def convert(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Blocks of a file in pieces of FASTA."""
        rest, begins = b"", True
        for block in blocks:
            pieces = (rest + block).splitlines(keepends=True)
            first, rest = begins, b""
            begins = pieces[-1].endswith(b"\n")
            if not begins and len(pieces[-1]) < _TELLING and (first or len(pieces) > 1):
                rest, begins = pieces.pop(), True
            lines = (self._line(piece, first or at > 0) for at, piece in enumerate(pieces))
            yield b"".join(lines)
        yield self._line(rest, True) + b"\n"

    @abstractmethod
    def _line(self, piece: bytes, begins: bool) -> bytes:
        """What becomes of a line, or of a piece of one; whether the line begins with it."""


class _A3m(_Dialect):
    def __init__(self) -> None:
        self._is_comment = self._is_annotation = False

    def _line(self, piece: bytes, begins: bool) -> bytes:
        if begins:
            piece = piece.lstrip(b"\0")
            self._is_comment = piece.startswith(b"#")
            if piece.startswith(b">"):
                self._is_annotation = bool(_ANNOTATION.match(piece))
        return b"" if self._is_comment or self._is_annotation else piece


class _Pir(_Dialect):
    def __init__(self, name: str) -> None:
        self._name = name
        # What the line at hand is: title, text, letters, or what stands behind these.
        self._place = "behind"

    def _line(self, piece: bytes, begins: bool) -> bytes:
        if begins:
            if piece.startswith(b">"):
                return self._title(piece)
            if self._place in {"title", "text"}:
                self._place = "text" if self._place == "title" else "letters"
                piece = b" " * (self._place == "text") + piece
        if self._place == "letters":
            letters, end, _ = piece.partition(b"*")
            self._place = "behind" if end else "letters"
            return letters + b"\n" * len(end)
        return (
            b""
            if self._place == "behind"
            else piece.rstrip(b"\n")
            if self._place == "title"
            else piece
        )

    def _title(self, piece: bytes) -> bytes:
        if not _PIR.match(piece):
            raise DataError(
                "a file begins as PIR and goes on as something else",
                where=self._name,
                why=f"a title is {source.decoded(piece[:40]).strip()!r}, without a type as in >P1;",
                do="mend the title, or divide the file",
            )
        self._place = "title"
        return b">" + piece.partition(b";")[2].rstrip(b"\n")
