"""The front door to files of sequences: which reader, by what the file holds."""

import codecs
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import alignment, bed, dialects, fasta, fastq, genbank, kmers, source, table
from sslkit.files.columns import Columns
from sslkit.types import Record

#: Files in a folder that are a corpus. A table may hold anything: it is read where it is named.
ENDINGS = (*fasta.ENDINGS, *fastq.ENDINGS, *genbank.ENDINGS)

_HEAD = 4096
_OWN = (*ENDINGS, *bed.ENDINGS)
#: Records that are looked at behind a bad one, for one that can be used.
_AHEAD = 1000


def read(
    path: Path,
    on_error: OnError = "stop",
    *,
    reference: Path | None = None,
    columns: Columns | None = None,
    spool: bool = False,
) -> Iterator[Record]:
    """The sequences of a FASTA, FASTQ, GenBank, Stockholm, BED, CSV, TSV or Parquet file, in order.

    The payload is the letters as bytes, without white space, not checked for their meaning; those
    of a Stockholm file come without gaps. With ``on_error`` "skip" a bad record has ``error`` and
    an empty payload.

    Args:
        path: plain or compressed; ``-`` is standard input.
        reference: FASTA file that a BED file's intervals lie on.
        columns: of a table; None looks for the usual names.
        spool: give the letters of long sequences of FASTA and GenBank as ``letters.Letters``.

    Raises:
        UsageError: a BED file without a reference.
        DataError: an empty or unknown file, or a bad record with ``on_error`` "stop".
    """
    with source.open_bytes(path) as stream:
        named = columns is not None and columns.are_named
        kind = kind_of(stream, path, has_reference=bool(reference), has_column=named)
        if kind == "table":
            rows = table.parse(stream, path, columns, on_error)
            found: Iterator[Record] = (
                replace(
                    of_cell(row.id, row.text, str(path), row.number, row.error), metadata=row.values
                )
                for row in rows
            )
        elif kind == "bed":
            if reference is None:
                raise UsageError(f"{path} holds intervals", do="name their FASTA with --reference")
            found = bed.parse(stream, path, reference)
        elif spool and kind in _SPOOLED:
            found = _SPOOLED[kind](stream, path, spool=True)
        else:
            found = _PARSE[kind](stream, path)
        yield from stopping(found, on_error)


def rows(path: Path, on_error: OnError = "stop") -> Iterator[Record]:
    """The rows of an alignment, Stockholm, aligned FASTA or A3M, with their gaps; as ``read``.

    Raises:
        DataError: a file of another kind, or of several alignments; rows of different lengths.
    """
    with source.open_bytes(path) as stream:
        kind = kind_of(stream, path)
        if kind not in {"fasta", "stockholm"}:
            raise DataError(
                "a file is no alignment",
                where=str(path),
                why=f"it is {_CALLED.get(kind, kind)}",
                do="give Stockholm, aligned FASTA or A3M, or leave out --set aligned=true",
            )
        if kind == "fasta":
            yield from stopping(alignment.parse_fasta(stream, path, aligned=True), on_error)
        else:
            yield from alignment.parse(stream, path, gaps=True)


def stopping(records: Iterator[Record], on_error: OnError) -> Iterator[Record]:
    """Records up to the first bad one, which stops the run, or with ``skip`` all of them.

    Raises:
        DataError: the first bad record, with ``stop``.
    """
    some_good = False
    for record in records:
        if record.error and on_error == "stop":
            with suppress(DataError):
                some_good = some_good or any(not r.error for r in islice(records, _AHEAD))
            raise bad_record(record, skip_helps=some_good)
        some_good = True
        yield record


_CALLED = {"fastq": "FASTQ", "genbank": "GenBank", "bed": "BED", "table": "a table"}
_PARSE: Mapping[str, Callable[[io.BufferedReader, Path], Iterator[Record]]] = {
    "fasta": alignment.parse_fasta,
    "fastq": fastq.parse,
    "genbank": genbank.parse,
    "stockholm": alignment.parse,
}
_SPOOLED: Mapping[str, Callable[..., Iterator[Record]]] = {
    "fasta": alignment.parse_fasta,
    "genbank": genbank.parse,
}


def bad_record(record: Record, *, skip_helps: bool = True) -> DataError:
    """The error that a record with ``error`` stops a run with.

    Args:
        skip_helps: whether anything is left where such records are passed over.
    """
    return DataError(
        "a record cannot be used",
        where=record.where,
        why=record.error,
        do="mend the file, or pass such records over with --on-error skip"
        if skip_helps
        else "look whether it is the right file, and of this kind: its next records are alike",
    )


def of_rows(
    rows: Iterable[table.Row],
    path: Path,
    make: Callable[[str, str, str, int], Record],
    on_error: OnError,
) -> Iterator[Record]:
    """The rows of a table as records.

    Args:
        make: from id, text, file and row to a record; a bad one carries ``error``.

    Raises:
        DataError: a bad row, with ``on_error`` "stop".
    """

    def record(row: table.Row) -> Record:
        if row.error:
            return Record(row.id, b"", str(path), row.number, row.values, row.error)
        return replace(make(row.id, row.text, str(path), row.number), metadata=row.values)

    yield from stopping((record(row) for row in rows), on_error)


def of_cell(name: str, text: str, source: str, number: int, error: str = "") -> Record:
    """The letters of a cell of a table, blanks left out; one with k-mers carries ``error``."""
    pieces = text.split()
    problem = error or kmers.problem(pieces)
    letters = b"" if problem else "".join(pieces).encode("utf-8", "replace")
    return Record(name, letters, source, number, error=problem)


def kind_of(
    stream: io.BufferedReader, path: Path, has_reference: bool = False, has_column: bool = False
) -> str:
    """The format, by the first bytes; by the name or the options where those do not tell.

    Returns:
        fasta, fastq, genbank, stockholm, bed or table.

    Raises:
        DataError: an empty file, or none of these.
    """
    head = stream.peek(_HEAD)[:_HEAD]
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise source.empty(path)
    signs = {b">": "fasta", b"@": "fastq", b"LOCUS ": "genbank", b"PAR1": "table"}
    signs[alignment.SIGN] = "stockholm"
    for sign, kind in signs.items():
        if text.startswith(sign):
            return kind
    if dialects.kind(text, path):
        return "fasta"
    name = source.plain_name(path).lower()
    if has_reference or name.endswith(bed.ENDINGS):
        return "bed"
    if has_column or table.is_table(path, head, _OWN):
        return "table"
    # No name in its first line is a usual one: whoever reads it says what there is.
    line = text.splitlines()[0]
    if b"," in line or b"\t" in line:
        return "table"
    for kind, endings in (("fasta", fasta.ENDINGS), ("fastq", fastq.ENDINGS)):
        if name.endswith(endings):
            return kind
    raise DataError(
        "a file of sequences is of no kind that is known",
        where=str(path),
        why=f"it begins with {line[:40].decode('utf-8', 'replace')!r}",
        do="give FASTA, FASTQ, GenBank, Stockholm, BED with --reference, CSV, TSV or Parquet",
    )
