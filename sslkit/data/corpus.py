"""From input files to shards, by way of a domain."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sslkit.artifacts.manifest import Input
from sslkit.contracts import Located, RecordDomain
from sslkit.data import shards
from sslkit.data.shards import Shard
from sslkit.errors import DataError, OnError
from sslkit.types import Array


def open_shards(
    inputs: Sequence[Input],
    domain: RecordDomain,
    version: str,
    folder: Path,
    on_error: OnError,
    warn: Callable[[str], None],
) -> list[Shard]:
    """The shard of every input file, made where it is missing or damaged.

    Args:
        inputs: files with their hashes.
        version: name and version of the domain, which shape the units too.
        folder: the cache.
        warn: is told of damaged shards.

    Raises:
        DataError: a record that cannot be read, where ``on_error`` is ``stop``, or nothing at all.
    """
    found = []
    for entry in inputs:
        path = Path(entry.path)
        where = domain.location(path) if isinstance(domain, Located) else ""
        located = [where] if where else []
        key = shards.shard_key(entry.sha256, version, domain.encoding, on_error, *located)
        encoded = _Encoded(path, domain, on_error)
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

    def __init__(self, path: Path, domain: RecordDomain, on_error: OnError) -> None:
        self._path, self._domain, self._on_error = path, domain, on_error

    def units(self) -> Iterator[Array | None]:
        for record in self._domain.read(self._path, self._on_error):
            yield None if record.error else self._domain.encode(record)
