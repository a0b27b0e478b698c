"""FASTQ files, with one line or several per sequence (Cock et al. 2010)."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from sslkit.errors import DataError
from sslkit.files import fasta, longest, source
from sslkit.types import Record

ENDINGS = (".fq", ".fastq")


def read(path: Path) -> Iterator[Record]:
    """The reads of a FASTQ file in order, letters as bytes.

    ``metadata["quality"]`` holds the quality line as it stands. A read that the file ends in the
    middle of, or whose quality is longer than its sequence, carries ``error``.

    Raises:
        DataError: an empty file, or lines that are no FASTQ, behind which nothing can be read.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path)


def parse(stream: io.BufferedReader, path: Path, before: int = 0) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors.

    Args:
        before: how many reads of the file stand before the stream.
    """
    lines = map(bytes.strip, source.lines(stream))
    name = str(path)
    number, previous_is_whole = before, True
    for line in lines:
        head = line.removeprefix(codecs.BOM_UTF8) if number == before else line
        if not head:
            continue
        if not head.startswith(b"@"):
            raise _broken(path, number + previous_is_whole, head)
        number += 1
        record = _record(head, lines, name, number)
        previous_is_whole = not record.error
        yield record
    if not number:
        raise source.empty(path)


def _record(head: bytes, lines: Iterator[bytes], source_name: str, number: int) -> Record:
    """The read under one title line, taken from the lines that follow it."""
    name, title = fasta.named(head[1:], number)
    # Lists: a line by itself, as most are, is joined without being copied.
    letters, quality, complete = list[bytes](), list[bytes](), False
    bases = qualities = 0
    most = longest.most()
    for line in lines:
        if line.startswith(b"+"):
            complete = True
            break
        bases += len(line)
        if bases <= most:
            letters.append(line)
    while complete and qualities < bases:
        line = next(lines, b"")
        complete = bool(line)
        qualities += len(line)
        if qualities <= most:
            quality.append(line)
    problem = fasta.title_problem(head)
    if not complete:
        problem = "the file ends, or a line is blank, in the middle of it: it may be cut off"
    elif qualities > bases:
        problem = f"it has {bases} bases and {qualities} qualities"
    elif bases > most:
        problem = longest.problem()
    metadata = {"quality": b"".join(quality).decode("latin-1")}
    if title:
        metadata["title"] = title
    payload = b"" if problem else b"".join(letters)
    return Record(name, payload, source_name, number, metadata, problem)


def _broken(path: Path, number: int, line: bytes) -> DataError:
    return DataError(
        "a FASTQ file is not in order",
        where=f"{path}, record {number}",
        why=f"a title line begins with @, and here is {line[:40].decode('utf-8', 'replace')!r}",
        do="mend the file; what stands behind this place cannot be read",
    )
