"""Statistics of molecules for inspect: which are refused, duplicates, and tokens."""

import io
from pathlib import Path
from typing import Any

from sslkit.domains import molecule
from sslkit.files import molecules, source
from sslkit.stages.inspect.records import Records

_HEAD = 4096


def inspect(stream: io.BufferedReader, path: Path, records: Records) -> dict[str, Any]:
    """Read a file of SMILES or mol blocks to its end; duplicates are those that splits count.

    Raises:
        DataError: there is no molecule.
    """
    cut = molecules.of(source.plain_name(path), stream.peek(_HEAD)[:_HEAD])
    domain = molecule.Domain(molecule.Settings())
    tokens = 0
    for record in domain.parse(stream, path, "skip"):
        if record.error:
            records.bad(record.id, record.error)
            continue
        records.begin(record.id, named=record.id != str(record.number))
        records.add(domain.signature(record))
        records.end()
        tokens += len(domain.encode(record))
    kind = "SDF" if isinstance(cut, molecules.Blocks) else "SMILES"
    return {"kind": kind, "domain": "molecule", "tokens": tokens}
