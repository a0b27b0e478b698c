"""Alignments of sequences: Stockholm, aligned FASTA and A3M.

Gaps are ``-``, ``.`` and ``~``. In A3M, told by the name of the file, lower case letters are
insertions, which belong to no column.
"""

import codecs
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.errors import DataError
from sslkit.files import dialects, fasta, longest, source
from sslkit.types import Record

#: Files of alignments by name; other FASTA may be aligned as well.
STOCKHOLM_ENDINGS = (".sto", ".stk", ".stockholm")
FASTA_ENDINGS = (".afa", *dialects.A3M_ENDINGS)
ENDINGS = (*STOCKHOLM_ENDINGS, *FASTA_ENDINGS)
#: What stands in a row where it has no letter.
GAPS = b"-.~"
#: The beginning of a Stockholm file.
SIGN = b"# STOCKHOLM"

_LOWER = bytes(range(ord("a"), ord("z") + 1))
_UPPER = bytes.maketrans(_LOWER + GAPS, _LOWER.upper() + b"---")
_KNOWN = np.isin(np.arange(256), list(_LOWER.upper() + b"-*"))


@dataclass(frozen=True)
class Alignment:
    """Sequences one below the other.

    Attributes:
        names: of the sequences.
        letters: ASCII in upper case, ``-`` for gaps, [sequences, columns]. What a file holds
            besides A to Z and gaps can only be ``*``.
    """

    names: tuple[str, ...]
    letters: npt.NDArray[np.uint8]


def read(path: Path) -> Alignment:
    """The one alignment of a file, plain or compressed; insertions of A3M are left out.

    Raises:
        DataError: an empty file, rows of different lengths, several alignments, a Stockholm file
            that is cut off, or what is no letter.
    """
    with source.open_bytes(path) as stream:
        if is_stockholm(stream):
            found = list(islice(_blocks(stream, path), 2))
            if len(found) > 1:
                raise _several(path, len(found[0]))
            rows = [(row.name, row.letters) for row in found[0]]
            if number := next((at for at, row in enumerate(found[0], 1) if row.problem), 0):
                raise longest.refused(path, f", row {number}")
        else:
            drop = _dropped(path)
            rows = [
                (record.id, record.payload.translate(None, drop))
                for record in fasta.parse(stream, path)
            ]
    return Alignment(tuple(name for name, _ in rows), _matrix(rows, path))


def parse(stream: io.BufferedReader, path: Path, *, gaps: bool = False) -> Iterator[Record]:
    """The sequences of all alignments of an open Stockholm file.

    Args:
        gaps: leave them in; the file holds one alignment then.

    Raises:
        DataError: as ``read``.
    """
    number = 0
    for rows in _blocks(stream, path):
        if gaps and number:
            raise _several(path, number)
        _check_widths([(row.name, row.letters) for row in rows if not row.problem], path)
        for row in rows:
            number += 1
            letters = row.letters.translate(None, b"" if gaps else GAPS)
            yield Record(row.name, letters, str(path), number, error=row.problem)


def parse_fasta(
    stream: io.BufferedReader, path: Path, *, aligned: bool | None = None, spool: bool = False
) -> Iterator[Record]:
    """The records of an open FASTA file as they stand there, gaps included.

    Args:
        aligned: a row that has not as many columns as the first one carries an error; None: where
            the file is named as an alignment.
        spool: as ``fasta.parse`` has it, of rows that need not be aligned.
    """
    drop, width = _dropped(path), None
    aligned = is_named(path) if aligned is None else aligned
    records = fasta.parse(stream, path, spool=spool and not aligned)
    if not aligned:
        yield from records
        return
    for record in records:
        if record.error:
            yield record
            continue
        columns = len(record.payload.translate(None, drop))
        width = columns if width is None else width
        if columns == width:
            yield record
        else:
            why = f"it has {columns} columns, and the first row of the alignment has {width}"
            yield replace(record, payload=b"", error=why)


def columns(letters: bytes, path: Path) -> bytes:
    """A row of a file in its columns: in upper case, with ``-`` for gaps and no insertions."""
    return letters.translate(_UPPER, _dropped(path))


def is_named(path: Path) -> bool:
    """Whether the name of a FASTA file says that its rows are aligned."""
    return source.plain_name(path).lower().endswith(FASTA_ENDINGS)


def _dropped(path: Path) -> bytes:
    """What belongs to no column: the insertions of A3M, and what stands beside them elsewhere."""
    return _LOWER + b"." if dialects.is_a3m(path) else b""


def is_stockholm(stream: io.BufferedReader) -> bool:
    """Whether a file that is open at its beginning is in the Stockholm format."""
    head = stream.peek(256)[:256].removeprefix(codecs.BOM_UTF8).lstrip()
    return head.startswith(SIGN)


@dataclass
class _Row:
    """A row of a Stockholm file; ``problem`` is why it has no letters."""

    name: str
    letters: bytes
    problem: str = ""


class _Rows:
    """The rows of an alignment as their pieces come, as long as together they may be held."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._held = 0
        self._is_too_long = False

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, name: str, piece: bytes, line_size: int) -> None:
        """A piece of a row, from a line of so many bytes, of which there may be more than came."""
        pieces = self._pieces.setdefault(name, [])
        taken = line_size if longest.is_exceeded(line_size) else len(piece)
        size = self._sizes[name] = self._sizes.get(name, 0) + taken
        if longest.is_exceeded(size):
            self._held -= sum(map(len, pieces))
            pieces.clear()
        elif not self._is_too_long:
            pieces.append(piece)
            self._held += len(piece)
        if longest.is_exceeded(self._held):
            self._is_too_long = True
            self._held = 0
            for held in self._pieces.values():
                held.clear()

    def joined(self) -> list[_Row]:
        """All of them."""
        whole = longest.problem("the alignment") if self._is_too_long else ""
        return [
            _Row(name, b"".join(pieces), longest.problem() if too_long else whole)
            for name, pieces in self._pieces.items()
            for too_long in [longest.is_exceeded(self._sizes[name])]
        ]


def _blocks(stream: io.BufferedReader, path: Path) -> Iterator[list[_Row]]:
    """The rows of one alignment after the other; the pieces of interleaved ones are joined."""
    rows = _Rows()
    inside, at = False, 0
    for at, raw in enumerate(source.lines(stream), 1):
        line = source.decoded(raw).strip()
        # Programs that keep alignments one behind the other end each with a byte 0.
        if "\0" in line and _is_border(line.strip("\0")):
            line = line.strip("\0")
        if line.startswith(SIGN.decode()):
            if inside:
                raise _broken(path, at, "an alignment begins before the last one ended with //")
            inside = True
        elif line and not inside:
            raise _broken(path, at, f"{line[:40]!r} stands before a line # STOCKHOLM 1.0")
        elif line == "//":
            if not rows:
                raise _broken(path, at, "the alignment has no sequences")
            yield rows.joined()
            rows, inside = _Rows(), False
        elif line and not line.startswith("#"):
            name, *piece = line.split()
            if len(piece) != 1:
                raise _broken(path, at, f"{line[:40]!r} is not a name and its letters")
            rows.add(name, piece[0].encode("ascii", "replace"), len(raw))
    if inside:
        raise _broken(path, at, "the file ends without a line //: it is cut off")
    if not at:
        raise source.empty(path)


def _is_border(line: str) -> bool:
    return line in {"", "//"} or line.startswith(SIGN.decode())


def _several(path: Path, rows: int) -> DataError:
    return DataError(
        "a file holds several alignments, and one is wanted",
        where=str(path),
        why=f"another one begins behind the {rows} rows of the first",
        do="divide the file behind its first line //",
    )


def _broken(path: Path, line: int, why: str) -> DataError:
    return DataError(
        "a file is no Stockholm file", where=f"{path}, line {line}", why=why, do="mend the file"
    )


def _matrix(rows: Sequence[tuple[str, bytes]], path: Path) -> npt.NDArray[np.uint8]:
    _check_widths(rows, path)
    joined = b"".join(letters for _, letters in rows).translate(_UPPER)
    matrix = np.frombuffer(joined, np.uint8).reshape(len(rows), -1)
    if not matrix.shape[1]:
        raise DataError("an alignment has no columns", where=str(path), do="leave it out")
    unknown = np.argwhere(~_KNOWN[matrix])
    if len(unknown):
        row, column = unknown[0].tolist()
        raise DataError(
            "an alignment cannot be used",
            where=f"{path}, row {row + 1} ({rows[row][0]})",
            why=f"{chr(matrix[row, column])!r} in column {column + 1} is no letter and no gap",
            do="mend the file",
        )
    return matrix


def _check_widths(rows: Sequence[tuple[str, bytes]], path: Path) -> None:
    """Refuse rows that are not all as long as the first."""
    width = len(rows[0][1]) if rows else 0
    for number, (name, letters) in enumerate(rows, 1):
        if len(letters) != width:
            raise DataError(
                "the rows of an alignment are not equally long",
                where=f"{path}, row {number} ({name})",
                why=f"it has {len(letters)} columns, and row 1 ({rows[0][0]}) has {width}",
                do="align the sequences again, or name each row once and an A3M file NAME.a3m",
            )
