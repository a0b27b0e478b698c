"""BED files: intervals of a reference, and the sequences they stand for.

BED counts from 0 and leaves the end out: ``chr1 10 20`` is bases 11 to 20.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from sslkit.files import longest, references, source
from sslkit.files.references import Reference
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
        reference: a FASTA file, plain or compressed; see ``references.opened``.

    Raises:
        DataError: no interval at all, or a reference that cannot be indexed.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path, reference)


def parse(stream: io.BufferedReader, path: Path, reference: Path) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors."""
    number = 0
    with references.opened(reference) as genome:
        for number, line in enumerate(_lines(stream), 1):
            yield _record(line, genome, str(path), number)
    if not number:
        raise source.empty(path, "it holds no interval")


def intervals(stream: io.BufferedReader, path: Path) -> Iterator[Record]:
    """The intervals themselves, without a reference: empty payloads, the rest as in ``read``.

    Raises:
        DataError: no interval at all.
    """
    number = 0
    for number, line in enumerate(_lines(stream), 1):
        yield _record(line, None, str(path), number)
    if not number:
        raise source.empty(path, "it holds no interval")


def _lines(stream: io.BufferedReader) -> Iterator[list[str]]:
    """The cells of each line that is an interval, at least six; none of one that is too long."""
    for raw in source.lines(stream):
        if longest.is_exceeded(len(raw)) and not raw.startswith(b"#"):
            yield []
            continue
        line = source.decoded(raw)
        cells = line.split("\t") if "\t" in line else line.split()
        cells = [cell.strip() for cell in cells] + [""] * 6
        is_setting = _BROWSER.issuperset(line.split(None, 1)[:1]) and not (
            cells[1].isdecimal() and cells[2].isdecimal()
        )
        if line.strip() and not line.startswith("#") and not is_setting:
            yield cells


def _record(cells: list[str], genome: Reference | None, source_name: str, number: int) -> Record:
    if not cells:
        return Record(str(number), b"", source_name, number, error=longest.problem())
    chrom, start, end, name, _, strand = cells[:6]
    marked = f"({strand})" if strand in {"+", "-"} else ""
    default = f"{chrom}:{start}-{end}{marked}" if end else str(number)
    name = name if name not in {"", "."} else default
    problem = _problem(chrom, start, end, name, strand, genome)
    if problem:
        return Record(name, b"", source_name, number, error=problem)
    metadata = {"chrom": chrom, "start": start, "end": end, "strand": strand or "."}
    if genome is None:
        return Record(name, b"", source_name, number, metadata)
    letters = genome.letters(chrom, int(start), int(end), reverse=strand == "-")
    return Record(name, letters, source_name, number, metadata)


def _problem(
    chrom: str, start: str, end: str, name: str, strand: str, genome: Reference | None
) -> str:
    if "\0" in chrom + name:
        return "it is no text: it holds a byte 0"
    if not (start.isdecimal() and end.isdecimal()):
        return "columns 2 and 3 of BED are whole numbers, start and end"
    if int(start) >= int(end):
        return f"the interval {start}-{end} holds no base"
    if strand not in {"", ".", "+", "-"}:
        return f"the strand, column 6, is + or -, not {strand!r}"
    if genome is None:
        return ""
    if chrom not in genome:
        there = ", ".join(genome.names[:5])
        return f"the reference has no sequence {chrom!r}; it has {there}, ..."
    if int(end) > genome.length(chrom):
        return f"{chrom} ends at {genome.length(chrom)}, before {end}"
    return ""
