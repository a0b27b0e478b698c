"""Molecules in files, as text: lines of SMILES with names, and SDF or mol blocks with fields.

Both are cut into entries from blocks of bytes, however the blocks are cut; nothing here knows
chemistry. A line that is no UTF-8 is read as Latin-1.
"""

import codecs
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sslkit.files import longest, source

#: Names of columns of SMILES, in lower case; above lines of SMILES they are a header.
COLUMNS = ("smiles", "canonical_smiles", "isomeric_smiles", "mol")
LINES = (".smi", ".smiles", ".can", ".ism")
BLOCKS = (".sdf", ".sd", ".mol")

_BLOCK = 1 << 19
#: Bytes of a line, and of an entry of an SDF, where a record may have as many; no more is held.
_LONGEST_LINE, _LONGEST_ENTRY = 1 << 20, 1 << 24
#: Bytes that a line takes besides its letters.
_LINE_COST = 64
_ENTRY_ENDS, _MOLECULE_ENDS, _FIELD = "$$$$", "M  END", ">"


@dataclass(frozen=True, slots=True)
class Entry:
    """One molecule as it stands in a file.

    Attributes:
        number: counted from 1.
        line: where it begins, from 1; 0 where it is a cell of a table.
        name: as the file has it, or ``number``.
        text: SMILES, or a mol block.
        fields: data fields of an SDF.
        error: what is wrong with it; ``text`` is empty then.
    """

    number: int
    line: int
    name: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


class Entries(ABC):
    """Cuts the bytes of one file into entries, block by block."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropped = 0
        self._line = self._number = 0

    @property
    def pending(self) -> int:
        """Bytes that were fed and must be fed again after ``restore``."""
        return len(self._rest) + self._dropped

    def feed(self, block: bytes) -> list[Entry]:
        """The entries that a block completes."""
        lines = (self._rest + block).splitlines(keepends=True)
        # Behind a CR at the end the LF may be on its way.
        unfinished = bool(lines) and not lines[-1].endswith(b"\n")
        self._rest = lines.pop() if unfinished else b""
        found = [entry for raw in lines for entry in self._next(raw)]
        if len(self._rest) > _LONGEST_LINE:
            self._dropped += len(self._rest) - _LONGEST_LINE
            self._rest = self._rest[:_LONGEST_LINE]
        return found

    def finish(self) -> list[Entry]:
        """What only the end of the file completes."""
        rest, self._rest = self._rest, b""
        found = [entry for raw in rest.splitlines(keepends=True) for entry in self._next(raw)]
        return found + self._last()

    def state(self) -> dict[str, Any]:
        """For ``restore``."""
        return {"line": self._line, "number": self._number}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue; the pending bytes are fed again."""
        self._line, self._number = state["line"], state["number"]

    def _next(self, raw: bytes) -> list[Entry]:
        self._line += 1
        if self._line == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        size, self._dropped = len(raw) + self._dropped, 0
        return self._take(source.decoded(raw).rstrip("\r\n"), size)

    @abstractmethod
    def _take(self, line: str, size: int) -> list[Entry]:
        """The entries that a line of so many bytes completes."""

    @abstractmethod
    def _last(self) -> list[Entry]:
        """The entry that no line completed."""


class Lines(Entries):
    """Lines of SMILES: the first column; the rest of the line is the name.

    A first line that names its columns is none.
    """

    def _take(self, line: str, size: int) -> list[Entry]:
        # Behind it, an end of two bytes at the most.
        size -= len("\r\n")
        if longest.is_exceeded(size):
            return [self._bad(longest.problem())]
        if size > _LONGEST_LINE:
            return [self._bad(f"its line takes more than {_LONGEST_LINE >> 20} MiB")]
        words = line.split(None, 1)
        if not words or (not self._number and words[0].lower() in COLUMNS):
            return []
        self._number += 1
        name = words[1].strip() if len(words) > 1 else ""
        return [Entry(self._number, self._line, name or str(self._number), words[0])]

    def _bad(self, problem: str) -> Entry:
        self._number += 1
        return Entry(self._number, self._line, str(self._number), "", error=problem)

    def _last(self) -> list[Entry]:
        return []


class Cells(Entries):
    """Lines that are cells of a column, one for each row, whatever they hold."""

    def _take(self, line: str, size: int) -> list[Entry]:
        del size
        self._number += 1
        return [Entry(self._number, 0, str(self._number), line)]

    def _last(self) -> list[Entry]:
        return []


class Blocks(Entries):
    """Mol blocks, each with its title, its fields and ``$$$$`` behind it, which the last may lack.

    A line of a field's own ends with the field's name in angle brackets; its value is all lines up
    to a blank one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: list[str] = []
        self._begin = self._size = self._cost = self._count = 0

    @property
    def pending(self) -> int:
        """Bytes of the entry at hand."""
        return super().pending + self._size

    def state(self) -> dict[str, Any]:
        """For ``restore``: the entry at hand is read again."""
        return {"line": self._line - self._count, "number": self._number}

    def _take(self, line: str, size: int) -> list[Entry]:
        if not self._size:
            self._begin = self._line
        self._size += size
        self._cost += len(line) + _LINE_COST
        self._count += 1
        if line.startswith(_ENTRY_ENDS):
            return self._entry()
        # Of an entry without end its lines are counted, and no longer held.
        if self._cost <= _LONGEST_ENTRY and not longest.is_exceeded(self._size):
            self._held.append(line)
        return []

    def _last(self) -> list[Entry]:
        is_entry = any(line.strip() for line in self._held) or longest.is_exceeded(self._size)
        return self._entry() if is_entry else []

    def _entry(self) -> list[Entry]:
        lines, size, cost = self._held, self._size, self._cost
        self._held, self._size, self._cost, self._count = [], 0, 0, 0
        self._number += 1
        title = lines[0].strip() if lines else ""
        name = title or str(self._number)
        ends = next((at for at, line in enumerate(lines) if line.rstrip() == _MOLECULE_ENDS), None)
        if cost > _LONGEST_ENTRY:
            why = f"it takes more than {_LONGEST_ENTRY >> 20} MiB without a line {_ENTRY_ENDS}"
        elif longest.is_exceeded(size):
            why = longest.problem()
        elif any("\0" in line for line in lines):
            why = "it is no text: it holds a byte 0"
        elif ends is None:
            why = f"there is no line {_MOLECULE_ENDS!r}: it is cut off, or no mol block"
        else:
            text = "\n".join(lines[: ends + 1]) + "\n"
            return [Entry(self._number, self._begin, name, text, _fields(lines[ends + 1 :]))]
        return [Entry(self._number, self._begin, name, "", error=why)]


def _fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if not name and line.startswith(_FIELD):
            name = line.partition("<")[2].rpartition(">")[0]
            found[name] = []
        elif not line.strip():
            name = ""
        elif name:
            found[name].append(line)
    return {name: "\n".join(held) for name, held in found.items() if name}


def of(name: str, head: bytes) -> Entries:
    """What cuts a file, by its name without the ending of a compression, or by its first bytes."""
    lowered = name.lower()
    if lowered.endswith(BLOCKS) or (not lowered.endswith(LINES) and _is_block(head)):
        return Blocks()
    return Lines()


def _is_block(head: bytes) -> bool:
    counts = head.splitlines()[3:4]
    return bool(counts) and counts[0].rstrip().endswith((b"V2000", b"V3000"))


def read(stream: IO[bytes], cut: Entries, path: Path) -> Iterator[Entry]:
    """All entries of an open file.

    Raises:
        DataError: there is none; ``path`` names the file.
    """
    count = 0
    block = b"."
    while block:
        block = stream.read(_BLOCK)
        for entry in cut.feed(block) if block else cut.finish():
            count += 1
            yield entry
    if not count:
        raise source.empty(path)
