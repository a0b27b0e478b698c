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
            rows = found[0]
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
        _check_widths(rows, path)
        for name, letters in rows:
            number += 1
            yield Record(name, letters.translate(None, b"" if gaps else GAPS), str(path), number)


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
    for record in fasta.parse(stream, path, spool=spool and not aligned):
        if record.error or not aligned:
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


def _blocks(stream: io.BufferedReader, path: Path) -> Iterator[list[tuple[str, bytes]]]:
    """The rows of one alignment after the other; the pieces of interleaved ones are joined."""
    rows: dict[str, list[str]] = {}
    inside, at, size = False, 0, 0
    for at, raw in enumerate(source.lines(stream, path), 1):
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
            joined = ((name, "".join(pieces)) for name, pieces in rows.items())
            yield [(name, letters.encode("ascii", "replace")) for name, letters in joined]
            rows, inside, size = {}, False, 0
        elif line and not line.startswith("#"):
            name, *piece = line.split()
            if len(piece) != 1:
                raise _broken(path, at, f"{line[:40]!r} is not a name and its letters")
            rows.setdefault(name, []).append(piece[0])
            size += len(piece[0])
            if size > longest.most():
                raise longest.refused(path, f", line {at}")
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
    strange = np.argwhere(~_KNOWN[matrix])
    if len(strange):
        row, column = strange[0].tolist()
        raise DataError(
            "an alignment cannot be used",
            where=f"{path}, row {row + 1} ({rows[row][0]})",
            why=f"{chr(matrix[row, column])!r} in column {column + 1} is no letter and no gap",
            do="mend the file",
        )
    return matrix


def _check_widths(rows: Sequence[tuple[str, bytes]], path: Path) -> None:
    """Refuse rows that are not all as long as the first."""
    width = len(rows[0][1])
    for number, (name, letters) in enumerate(rows, 1):
        if len(letters) != width:
            raise DataError(
                "the rows of an alignment are not equally long",
                where=f"{path}, row {number} ({name})",
                why=f"it has {len(letters)} columns, and row 1 ({rows[0][0]}) has {width}",
                do="align the sequences again, or name each row once and an A3M file NAME.a3m",
            )
