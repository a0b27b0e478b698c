"""FASTA files, read in one pass without knowing what the letters mean."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from sslkit.errors import DataError
from sslkit.files import dialects, kmers, letters, longest, source
from sslkit.types import Record

ENDINGS = (".fa", ".fasta", ".fas", ".fna", ".ffn", ".frn", ".fsa")

_CHUNK = 1 << 20
_LONGEST_TITLE, _SHOWN = 1 << 16, 40
_WHITE = b" \t\r\n\v\f"


def read(path: Path) -> Iterator[Record]:
    """The sequences of a FASTA file in order, letters as bytes; white space in them is dropped.

    The id is the first word of the title line, or the record's number where that is empty; the
    rest of the line is ``metadata["title"]``. All kinds of line ends are understood. Memory
    follows the longest sequence, however its lines are broken.

    Raises:
        DataError: an empty file, or text before the first title line.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path)


def parse(stream: io.BufferedReader, path: Path, *, spool: bool = False) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors.

    Args:
        spool: give the letters of long sequences as ``letters.Letters``.
    """
    name, number = str(path), 0
    for number, (title, text, problem) in enumerate(_split(stream, path, spool), 1):
        record_id, rest = named(title, number)
        why = problem or title_problem(title)
        metadata = {"title": rest} if rest else {}
        yield Record(record_id, b"" if why else text, name, number, metadata, why)
    if not number:
        raise source.empty(path)


def named(title: bytes, number: int) -> tuple[str, str]:
    """Id and description of the record of that number, from its title line."""
    if len(title) > _LONGEST_TITLE:
        title = title[:_SHOWN]
    name, _, rest = source.decoded(title).replace("\t", " ").strip().partition(" ")
    return name or str(number), rest.strip()


def title_problem(title: bytes) -> str:
    """What is wrong with the title of a record; nothing where it is text."""
    if len(title) > _LONGEST_TITLE:
        return f"its title is longer than {_LONGEST_TITLE} bytes"
    return "its title is no text: it holds a byte 0" if b"\0" in title else ""


def _split(
    stream: io.BufferedReader, path: Path, spool: bool
) -> Iterator[tuple[bytes, bytes | letters.Letters, str]]:
    """Title and letters of each sequence, and what is wrong with it."""
    most = min(letters.LONG, longest.most()) if spool else longest.most()
    title: bytes | None = None
    first, why = b"", ""
    # Of a record that is not whole in one piece, or too long.
    more: letters.Gathering | None = None
    for head, text, problem in pieces(stream, path):
        if head is not None:
            if title is not None:
                yield (title, first, why) if more is None else (title, *_outcome(more, why))
            title, first, why, more = head, text, problem, None
            if len(text) <= most:
                continue
        if more is None:
            more = letters.Gathering(spool=spool)
            more.write(first)
        if head is None:
            more.write(text)
            why = why or problem
    if title is not None:
        yield (title, first, why) if more is None else (title, *_outcome(more, why))


def _outcome(gathered: letters.Gathering, problem: str) -> tuple[bytes | letters.Letters, str]:
    """The letters of a whole record, and what is wrong with it."""
    problem = longest.problem() if gathered.is_too_long else problem
    return b"" if problem else gathered.value(), problem


def pieces(stream: io.BufferedReader, path: Path) -> Iterator[tuple[bytes | None, bytes, str]]:
    """A FASTA file in memory that does not follow its records: they come in pieces.

    A title comes with letters of its record, all or none of them; other letters come with None
    behind it, at most a megabyte at a time. They are without white space. The third of a piece is
    what is wrong with its letters, or nothing.

    Raises:
        DataError: text before the first title line.
    """
    stream = dialects.plain(stream, path)
    title, in_title, seen, line_begins = b"", False, False, True
    if stream.peek(3).startswith(codecs.BOM_UTF8):
        stream.read(3)
    while raw := stream.read(_CHUNK):
        # A pair of CR and LF cut by the border of a chunk gives a blank line, which is nothing.
        chunk = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
        at = 0
        # Found in chunks of bytes rather than in lines.
        while at < len(chunk):
            if in_title:
                end = chunk.find(b"\n", at)
                # Of a title that is no title so much is kept that it is seen to be too long.
                last = len(chunk) if end < 0 else end
                title += chunk[at : min(last, at + _LONGEST_TITLE + 1 - len(title))]
                in_title, line_begins = end < 0, end >= 0
                if not in_title:
                    yield title, b"", ""
                at = len(chunk) if end < 0 else end + 1
            elif line_begins and chunk.startswith(b">", at):
                seen = True
                if (end := chunk.rfind(b"\n>", at)) >= 0:
                    yield from _whole(chunk[at + 1 : end])
                    at = end + 1
                title, in_title = b"", True
                at += 1
            else:
                found = chunk.find(b"\n>", at)
                end = len(chunk) if found < 0 else found + 1
                text, problem = _letters(chunk[at:end])
                if text and not seen:
                    raise _untitled(path, text)
                if text:
                    yield None, text, problem
                line_begins = chunk.endswith(b"\n", at, end)
                at = end
    if in_title:
        yield title, b"", ""


def _whole(records: bytes) -> Iterator[tuple[bytes, bytes, str]]:
    """Records that stand whole in a chunk, from behind the first ``>`` to the end of the last."""
    for record in records.split(b"\n>"):
        title, _, text = record.partition(b"\n")
        if text.isalpha():
            yield title[: _LONGEST_TITLE + 1], text, ""
        else:
            yield title[: _LONGEST_TITLE + 1], *_letters(text)


def _letters(text: bytes) -> tuple[bytes, str]:
    """Lines without their white space, and what is wrong with them."""
    return text.translate(None, _WHITE), kmers.problem_of_text(text)


def _untitled(path: Path, text: bytes) -> DataError:
    return DataError(
        "a FASTA file does not begin with a title line",
        where=str(path),
        why=f"it begins with {text[:40].decode('utf-8', 'replace')!r}",
        do="put a line such as >chr1 before the sequence",
    )
