"""Indexes of FASTA files, as ``samtools faidx`` writes them: checked against the file, or made."""

import codecs
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.errors import DataError
from sslkit.files import source

_CHUNK = 1 << 24
#: Lines whose ends are looked at together.
_ROWS = 1 << 14
_BEHIND = (b"", b"\n", b"\r")


@dataclass(slots=True)
class Entry:
    """Where a sequence is.

    Attributes:
        length: letters.
        offset: place of the first one in the file.
        bases: letters of each line but the last one.
        width: bytes of each, with its end.
    """

    length: int
    offset: int
    bases: int
    width: int

    def place(self, letter: int) -> int:
        """Place of a letter, counted from 0, in the file."""
        rows, rest = divmod(letter, self.bases) if self.bases else (0, 0)
        return self.offset + rows * self.width + rest


Index = Mapping[str, Entry]


def parse(raw: bytes) -> Index | None:
    """The index that a file ``.fai`` holds; None where it holds something else."""
    index: dict[str, Entry] = {}
    for line in raw.splitlines():
        name, *cells = source.decoded(line).split("\t")
        if len(cells) < 4 or name in index:
            return None
        try:
            index[name] = Entry(*map(int, cells[:4]))
        except ValueError:
            return None
    return index


def text(index: Index) -> str:
    """What a file ``.fai`` holds."""
    return "".join(
        f"{name}\t{one.length}\t{one.offset}\t{one.bases}\t{one.width}\n"
        for name, one in index.items()
    )


def fits(data: mmap.mmap, index: Index) -> bool:
    """Whether sequences are where an index has them, and nothing but blanks beside them.

    Each must stand below a title with its name and be followed by the title of the next one.
    """
    at = first = _start(data)
    for name, entry in sorted(index.items(), key=lambda item: item[1].offset):
        offset = entry.offset
        title = data.find(b">", at, offset)
        if title < 0 or data[at:title].strip():
            return False
        ending = data.find(b"\n", title)
        if offset - 1 != (ending if ending >= 0 else len(data)):
            return False
        if title > first and data[title - 1 : title] != b"\n":
            return False
        at = entry.place(entry.length - 1) + 1 if entry.length else offset
        if _name(data[title + 1 : offset]) != name or data.find(b">", offset, at) >= 0:
            return False
        if entry.length and not _lines_fit(data, entry, at):
            return False
    return data.find(b">", at) < 0 and not data[at:].strip()


def _lines_fit(data: mmap.mmap, entry: Entry, end: int) -> bool:
    """Whether lines end where they should, of a long sequence at its ends and in the middle."""
    bases, width = entry.bases, entry.width
    if end > len(data) or not 0 < bases <= width or data[end : end + 1] not in _BEHIND:
        return False
    rows = (entry.length - 1) // bases
    firsts = (
        {0, rows // 2 - _ROWS // 2, rows - _ROWS} if rows > 3 * _ROWS else range(0, rows, _ROWS)
    )
    for first in firsts:
        count = min(_ROWS, rows - first)
        begin = entry.offset + first * width
        text = data[begin : begin + count * width]
        ends = [text[at::width] for at in range(bases, width)]
        if text.count(b"\n") != count or ends not in (
            [b"\n" * count],
            [b"\r" * count, b"\n" * count],
        ):
            return False
    return data.find(b"\n", entry.offset + rows * width, end) < 0


def _start(data: mmap.mmap) -> int:
    return len(codecs.BOM_UTF8) if data[:3] == codecs.BOM_UTF8 else 0


def _name(title: bytes) -> str:
    return source.decoded(title.split(None, 1)[0]) if title.strip() else ""


def build(data: mmap.mmap, path: Path) -> Index:
    """The index of a FASTA file.

    Raises:
        DataError: as ``opened``; ``path`` names the file.
    """
    builder = _Builder(path)
    for starts, ends, is_title in _lines(data):
        bases = ends - starts - _carriage_returns(data, starts, ends)
        widths = ends - starts + 1
        titles = np.flatnonzero(is_title).tolist()
        before = titles[0] if titles else len(bases)
        builder.lines(bases[:before], widths[:before])
        for title, following in pairwise([*titles, len(bases)]):
            begin, end = int(starts[title]), int(ends[title])
            builder.title(_name(data[begin + 1 : end]), end + 1)
            builder.lines(bases[title + 1 : following], widths[title + 1 : following])
    if not builder.index:
        raise _unusable(path, "it holds no sequence")
    return builder.index


_Places = npt.NDArray[np.int64]


def _lines(data: mmap.mmap) -> Iterator[tuple[_Places, _Places, npt.NDArray[np.bool_]]]:
    """First byte of lines, the place of the line feed behind each, and whether it is a title."""
    begin, size = _start(data), len(data)
    for at in range(0, size, _CHUNK):
        chunk = np.frombuffer(data[at : at + _CHUNK], np.uint8)
        ends = np.flatnonzero(chunk == ord("\n")) + at
        if at + _CHUNK >= size and (ends[-1] if len(ends) else begin - 1) < size - 1:
            ends = np.append(ends, size)
        if not len(ends):
            continue
        starts = np.concatenate(([begin], ends[:-1] + 1))
        first = chunk[np.maximum(starts - at, 0)]
        # The first of these lines may begin in an earlier chunk.
        is_title = first == ord(">")
        is_title[0] = data[begin : begin + 1] == b">"
        yield starts, ends, is_title
        begin = int(ends[-1]) + 1


def _carriage_returns(data: mmap.mmap, starts: _Places, ends: _Places) -> npt.NDArray[np.bool_]:
    """Whether a carriage return stands before the end of each line."""
    low, high = int(starts[0]), int(ends[-1])
    if data.find(b"\r", low, high) < 0:
        return np.zeros(len(starts), np.bool_)
    text = np.frombuffer(data[low:high], np.uint8)
    found: npt.NDArray[np.bool_] = text[np.maximum(ends - low - 1, 0)] == ord("\r")
    return found & (ends > starts)


class _Builder:
    """Makes an index of titles and of lines in the order of a file."""

    def __init__(self, path: Path) -> None:
        self.index: dict[str, Entry] = {}
        self._path = path
        self._name = ""
        self._entry: Entry | None = None
        self._is_closed = False

    def title(self, name: str, behind: int) -> None:
        """A title line, and the place behind it."""
        if name in self.index:
            raise _unusable(self._path, f"it has two sequences of the name {name!r}")
        self._name, self._is_closed = name, False
        self._entry = self.index[name] = Entry(0, behind, 0, 0)

    def lines(self, bases: _Places, widths: _Places) -> None:
        """Lines of the sequence: all as long as its first one, but the last, and blank ones."""
        if not len(bases):
            return
        entry = self._entry
        if entry is None:
            if bases.any():
                raise _unusable(self._path, "it does not begin with a title line")
            return
        if not entry.bases and not self._is_closed:
            entry.bases, entry.width = int(bases[0]), int(widths[0])
        whole = 0
        if not self._is_closed:
            others = np.flatnonzero((bases != entry.bases) | (widths != entry.width))
            whole = int(others[0]) if len(others) else len(bases)
            entry.length += entry.bases * whole
            if whole == len(bases) and entry.bases:
                return
            # The last line, or a blank one.
            self._is_closed = True
            if whole < len(bases) and bases[whole] <= entry.bases:
                entry.length += int(bases[whole])
                whole += 1
        if bases[whole:].any():
            raise _unusable(self._path, f"the lines of {self._name!r} are not equally long")


def _unusable(path: Path, why: str) -> DataError:
    return DataError(
        "a reference cannot be indexed",
        where=str(path),
        why=why,
        do="give FASTA with lines of one length and a name for each sequence",
    )
