"""Statistics of text and code for inspect: lines as records, and tokens."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslkit.domains import code, text
from sslkit.errors import DataError
from sslkit.stages.inspect.records import Records, Refused
from sslkit.vocab.scheme import Reader, Slices, Strings

_BLOCK = 1 << 19


def inspect(stream: io.BufferedReader, records: Records, scheme: Strings) -> dict[str, Any]:
    """Read a file to its end; return the number of tokens that build-vocab would count."""
    reader: Reader[Slices] | None = scheme.reader(records.source, ())
    tokens = 0
    lines = _Lines(records)
    for block in _blocks(stream):
        if reader is not None:
            try:
                tokens += len((reader.feed(block) if block else reader.finish()).starts)
            except DataError as error:
                records.refused.add(records.count, error.where, error.why or error.what)
                reader = None
        lines.add(block)
    lines.end()
    return {"tokens": tokens if reader is not None else None}


def pairs(path: Path, refused: Refused) -> dict[str, Any]:
    """Count the words on both sides of a file of pairs; lines that are no pairs are refused."""
    domain = text.Domain(text.Settings(documents="pair"))
    first = second = count = 0
    for number, record in enumerate(domain.pairs(path, "skip"), 1):
        if record.error:
            refused.add(number, record.where, record.error)
            continue
        sides = domain.sides(record.payload)
        count, first, second = count + 1, first + len(sides[0]), second + len(sides[1])
    return {"pairs": {"count": count, "words": [first, second]}}


def parsed(path: Path, refused: Refused) -> dict[str, Any]:
    """Whether a Python file parses; where it does not, its tokens have fewer classes.

    A file that was refused for its bytes is not parsed.
    """
    if refused.count or code.language(str(path)) != "python":
        return {}
    problem = code.problem(path)
    return {"parses": not problem, **({"parse_error": problem} if problem else {})}


def _blocks(stream: io.BufferedReader) -> Iterator[bytes]:
    """The file in pieces that keep CR and LF together, and an empty piece at the end."""
    while block := stream.read(_BLOCK):
        yield block + stream.read(1) if block.endswith(b"\r") else block
    yield b""


class _Lines:
    """Cuts pieces of a file into lines, each a record; a line may be as long as the file."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._is_open = False

    def add(self, block: bytes) -> None:
        """Add the next bytes of the file."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *rest = block.split(b"\n")
        self._piece(first)
        for line in rest:
            if not self._is_open:
                self._begin()  # A blank line.
            self.end()
            self._piece(line)

    def end(self) -> None:
        """End the line."""
        self._records.end()
        self._is_open = False

    def _piece(self, piece: bytes) -> None:
        if piece:
            if not self._is_open:
                self._begin()
            self._records.add(piece)

    def _begin(self) -> None:
        self._records.begin(str(self._records.count + 1), named=False)
        self._is_open = True
