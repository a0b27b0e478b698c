"""Rows of alignments as units that know their column.

A unit is a number: the site, the column of the family that it stands at, times 32, and the code of
the residue (see ``_residues``), which in a gap is ``GAP``. A family is what stands before the first
dot of a file's name, together with its number of columns: ``PF00013.afa`` and ``PF00013.align.80``
are one where they can be. Sites are hashes of family and column, the same on all machines, into a
table of a size that is given: two columns that share a site share what is learned of it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.domains.biology import residues
from sslkit.files import alignment
from sslkit.types import Array

#: The type of a unit.
UNIT = np.dtype(np.uint32)
#: The code of what is no letter, which in a row that was checked is a gap.
GAP = int(residues.to_codes(b"-")[0])
_BITS = 5
#: Sites beyond which a unit is no 32-bit number.
MOST_SITES = 2 ** (32 - _BITS)


def columns(letters: bytes, source: str) -> bytes:
    """A row of a file of that name in its columns, ``-`` for gaps, without a stop at the end."""
    held = alignment.columns(letters, Path(source))
    stem = held.rstrip(b"-")
    return held if not stem.endswith(b"*") else stem[:-1].ljust(len(held), b"-")


def family(path: Path) -> str:
    """The name of a file up to its first dot; all of it where it begins with one."""
    return path.name.partition(".")[0] or path.name


def encode(letters: bytes, source: str, sites: int) -> npt.NDArray[np.uint32]:
    """Units of a row in its columns, [columns]."""
    codes = residues.to_codes(letters).astype(np.uint64)
    at = np.arange(len(codes), dtype=np.uint64)
    with np.errstate(over="ignore"):
        hashed = rng.mix(at ^ rng.key("family", family(Path(source)), len(codes)))
    return ((hashed % np.uint64(sites)) << np.uint64(_BITS) | codes).astype(UNIT)


def codes(units: Array) -> npt.NDArray[np.uint8]:
    """Codes of residues, of units of any shape."""
    return (units & UNIT.type(2**_BITS - 1)).astype(np.uint8)


def sites(units: Array) -> npt.NDArray[np.int64]:
    """Where units stand, of any shape."""
    return (units >> UNIT.type(_BITS)).astype(np.int64)


def without_gaps(units: Array) -> npt.NDArray[np.uint8]:
    """Codes of the residues of a record, [residues]."""
    held = codes(units)
    found: npt.NDArray[np.uint8] = held[held != GAP]
    return found
