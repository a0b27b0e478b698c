"""From input files to shards, by way of a domain."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sslkit.artifacts.manifest import Input
from sslkit.contracts.domain import Located, RecordDomain
from sslkit.data import shards
from sslkit.data.shards import Shard
from sslkit.data.tables import Reader
from sslkit.errors import DataError, EmptyFileError, OnError
from sslkit.files import atomic, longest
from sslkit.types import Array


def open_shards(
    inputs: Sequence[Input],
    domain: RecordDomain,
    version: str,
    folder: Path,
    on_error: OnError,
    warn: Callable[[str], None],
    reader: Reader | None = None,
) -> list[Shard]:
    """The shard of every input file, made where it is missing or damaged.

    Args:
        inputs: files with their hashes.
        version: name and version of the domain, which shape the units too.
        folder: the cache.
        warn: is told of damaged shards.
        reader: of files, tables with named columns among them; None leaves them to the domain.

    Raises:
        DataError: a record that cannot be read, where ``on_error`` is ``stop``, or nothing at all.
    """
    reader = reader or Reader(domain, ())
    atomic.sweep_folder(folder)
    found = []
    for entry in inputs:
        path = Path(entry.path)
        where = domain.location(path) if isinstance(domain, Located) else ""
        located = [where] if where else []
        located += reader.described(path)
        if on_error == "skip":
            located += map(str, longest.stated().values())
        key = shards.shard_key(entry.sha256, version, domain.encoding, on_error, *located)
        encoded = _Encoded(path, reader, on_error)
        found.append(shards.open_or_build(folder, key, encoded.units, domain.unit_type, warn))
    if not any(len(shard.units) for shard in found):
        raise DataError(
            "the corpus holds nothing to train on",
            where=", ".join(entry.path for entry in inputs),
            why=f"{sum(shard.skipped for shard in found)} records were skipped",
        )
    return found


class _Encoded:
    """The units of one file's records, read anew at every call."""

    def __init__(self, path: Path, reader: Reader, on_error: OnError) -> None:
        self._path, self._reader, self._on_error = path, reader, on_error

    def units(self) -> Iterator[Array | None]:
        try:
            for record in self._reader.read(self._path, self._on_error):
                yield None if record.error else self._reader.domain.encode(record)
        except EmptyFileError:
            if self._on_error == "stop":
                raise
