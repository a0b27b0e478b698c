"""GenBank flat files: sequence, accession and what they say of the organism."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from Bio import BiopythonParserWarning, SeqIO
from Bio.Seq import UndefinedSequenceError

from sslkit.errors import DataError
from sslkit.files import source
from sslkit.types import Record

# Bio ships types for some of its functions only.
_parse: Any = SeqIO.parse

ENDINGS = (".gb", ".gbk", ".gbff", ".genbank")


def read(path: Path) -> Iterator[Record]:
    """The sequences of a GenBank file in order, letters as bytes.

    The id is the accession with its version; ``metadata`` holds title and organism. A record
    without a sequence (a CONTIG line only) carries ``error``.

    Raises:
        DataError: a file without a record, or one that cannot be parsed.
    """
    with source.open_bytes(path) as stream:
        yield from parse(stream, path)


def parse(stream: io.BufferedReader, path: Path) -> Iterator[Record]:
    """``read`` from an open stream; ``path`` is its name in errors."""
    number = 0
    found = _parse(source.as_text(stream), "genbank")
    while True:
        try:
            with warnings.catch_warnings():
                for damage in ("Premature end of file", "Expected sequence length"):
                    warnings.filterwarnings("error", damage, BiopythonParserWarning)
                entry = next(found, None)
        except (ValueError, AttributeError, IndexError, BiopythonParserWarning) as error:
            # Bio's parser shows some kinds of damage as a warning or as one of the middle two.
            raise DataError(
                "a GenBank file cannot be parsed",
                where=f"{path}, record {number + 1}",
                why=str(error),
                do="mend the file, or fetch it again",
            ) from error
        if entry is None:
            break
        number += 1
        metadata = {"title": entry.description}
        if organism := entry.annotations.get("organism"):
            metadata["organism"] = organism
        try:
            letters, problem = bytes(entry.seq), ""
        except UndefinedSequenceError:
            letters, problem = b"", "it has no sequence of its own, only its length or its parts"
        yield Record(entry.id or str(number), letters, str(path), number, metadata, problem)
    if not number:
        raise DataError("a file is empty", where=str(path), why="it holds no LOCUS")
