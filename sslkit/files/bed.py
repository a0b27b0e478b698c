"""BED files: intervals of a reference, and the sequences they stand for.

BED counts from 0 and leaves the end out: ``chr1 10 20`` is bases 11 to 20.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyfaidx

from sslkit.errors import DataError, ResourceError, UsageError
from sslkit.files import atomic, scratch, source
from sslkit.types import Record

ENDINGS = (".bed",)

#: Words that begin lines for a genome browser; a contig may have such a name.
_BROWSER = {"track", "browser"}


def read(path: Path, reference: Path) -> Iterator[Record]:
    """The sequence of each interval in order, letters as bytes; ``-`` strands are complemented.

    The id is the name in column 4, or ``chr1:10-20`` with ``(+)`` or ``(-)`` where a strand is
    given; ``metadata`` holds chrom, start, end and strand. An interval that is malformed, on an
    unknown chromosome or beyond its end carries ``error``.

    Args:
        reference: a FASTA file. Its index is read from, or written to, the file beside it with
            the ending ``.fai``; in a folder without write permission it goes to scratch. A
            compressed reference is decompressed to scratch.

    Raises:
        DataError: no interval at all, or a reference that cannot be indexed.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path, reference)


def parse(stream: io.BufferedReader, path: Path, reference: Path) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors."""
    number = 0
    with opened(reference) as genome:
        for number, line in enumerate(_lines(stream), 1):
            yield _record(line, genome, str(path), number)
    if not number:
        raise DataError("a file is empty", where=str(path), why="it holds no interval")


def intervals(stream: io.BufferedReader, path: Path) -> Iterator[Record]:
    """The intervals themselves, without a reference: empty payloads, the rest as in ``read``.

    Raises:
        DataError: no interval at all.
    """
    number = 0
    for number, line in enumerate(_lines(stream), 1):
        yield _record(line, None, str(path), number)
    if not number:
        raise DataError("a file is empty", where=str(path), why="it holds no interval")


def _lines(stream: io.BufferedReader) -> Iterator[list[str]]:
    """The cells of each line that is an interval, at least six."""
    for raw in source.lines(stream):
        line = source.decoded(raw)
        cells = line.split("\t") if "\t" in line else line.split()
        cells = [cell.strip() for cell in cells] + [""] * 6
        is_setting = _BROWSER.issuperset(line.split(None, 1)[:1]) and not (
            cells[1].isdecimal() and cells[2].isdecimal()
        )
        if line.strip() and not line.startswith("#") and not is_setting:
            yield cells


def _record(
    cells: list[str], genome: pyfaidx.Fasta | None, source_name: str, number: int
) -> Record:
    chrom, start, end, name, _, strand = cells[:6]
    marked = f"({strand})" if strand in {"+", "-"} else ""
    default = f"{chrom}:{start}-{end}{marked}" if end else str(number)
    name = name if name not in {"", "."} else default
    problem = _problem(chrom, start, end, strand, genome)
    if problem:
        return Record(name, b"", source_name, number, error=problem)
    metadata = {"chrom": chrom, "start": start, "end": end, "strand": strand or "."}
    if genome is None:
        return Record(name, b"", source_name, number, metadata)
    found = genome[chrom][int(start) : int(end)]
    letters = str(found.reverse.complement if strand == "-" else found).encode()
    return Record(name, letters, source_name, number, metadata)


def _problem(chrom: str, start: str, end: str, strand: str, genome: pyfaidx.Fasta | None) -> str:
    if not (start.isdecimal() and end.isdecimal()):
        return "columns 2 and 3 of BED are whole numbers, start and end"
    if int(start) >= int(end):
        return f"the interval {start}-{end} holds no base"
    if strand not in {"", ".", "+", "-"}:
        return f"the strand, column 6, is + or -, not {strand!r}"
    if genome is None:
        return ""
    if chrom not in genome:
        there = ", ".join(list(genome.keys())[:5])
        return f"the reference has no sequence {chrom!r}; it has {there}, ..."
    if int(end) > len(genome[chrom]):
        return f"{chrom} ends at {len(genome[chrom])}, before {end}"
    return ""


@contextmanager
def opened(reference: Path) -> Iterator[pyfaidx.Fasta]:
    """A FASTA file with an index, for reading parts of it.

    Jobs that start together may each build the index: every one builds a file of its own, and
    moves it into place when it is whole.

    Raises:
        UsageError: there is no such file.
        DataError: lines of uneven length, sequences of one name, no FASTA.
        ResourceError: no room in scratch for a decompressed reference.
    """
    if not reference.is_file():
        raise UsageError(f"there is no reference {reference}")
    with ExitStack() as stack:
        with source.reading(reference), _indexing(reference):
            held = stack.enter_context(scratch.folder())
            plain = _decompressed(reference, held)
            index = _index(plain, held)
            genome = pyfaidx.Fasta(str(plain), indexname=str(index), rebuild=False)
        stack.callback(genome.close)
        yield genome


@contextmanager
def _indexing(reference: Path) -> Iterator[None]:
    try:
        yield
    except (pyfaidx.FastaIndexingError, pyfaidx.IndexNotFoundError, ValueError) as error:
        raise DataError(
            "a reference cannot be indexed",
            where=str(reference),
            why=str(error),
            do="give FASTA with lines of one length and a name for each sequence",
        ) from error


def _decompressed(reference: Path, held: Path) -> Path:
    with source.open_bytes(reference) as stream:
        if isinstance(stream.raw, io.FileIO):
            return reference
        plain = held / "reference.fa"
        with plain.open("wb", buffering=0) as target:
            scratch.copy(stream, target, held.parent)
        return plain


def _index(reference: Path, held: Path) -> Path:
    """The index beside the reference, where it is as new, or else one that is made now."""
    beside = reference.with_name(reference.name + ".fai")
    if beside.is_file() and beside.stat().st_mtime >= reference.stat().st_mtime:
        return beside
    own = held / "reference.fai"
    with atomic.writing(own, "set TMPDIR to a folder with more room"), scratch.of_libraries(held):
        pyfaidx.Faidx(str(reference), indexname=str(own)).close()
    try:
        with atomic.replacing(beside) as temporary:
            shutil.copyfile(own, temporary)
    except ResourceError:
        # The folder cannot be written: the index serves this run only.
        return own
    return beside
