"""From input files to shards, by way of a domain."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sslkit.artifacts.manifest import Input
from sslkit.contracts.domain import Located, RecordDomain
from sslkit.data import shards
from sslkit.data.shards import Shard
from sslkit.data.tables import Reader
from sslkit.errors import DataError, EmptyFileError, OnError
from sslkit.files import atomic, longest
from sslkit.types import Array, Record


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
    opened = []
    for entry in inputs:
        key = _key(entry, reader, version, on_error)
        encoded = _Encoded(Path(entry.path), reader, on_error, domain.encode)
        opened.append(shards.open_or_build(folder, key, encoded.units, domain.unit_type, warn))
    if not any(len(shard.units) for shard in opened):
        raise DataError(
            "the corpus holds nothing to train on",
            where=", ".join(entry.path for entry in inputs),
            why=f"{sum(shard.skipped for shard in opened)} records were skipped",
        )
    return opened


def open_signatures(
    inputs: Sequence[Input],
    version: str,
    folder: Path,
    on_error: OnError,
    warn: Callable[[str], None],
    reader: Reader,
) -> list[Shard]:
    """A number for each record in ``open_shards`` of the same files, from the domain's signature.

    Records that must not stand on two sides of a split have the same one.
    """

    def number(record: Record) -> Array:
        digest = hashlib.blake2b(reader.domain.signature(record), digest_size=8).digest()
        return np.frombuffer(digest, np.uint64)

    opened = []
    for entry in inputs:
        key = _key(entry, reader, version, on_error, "signatures")
        encoded = _Encoded(Path(entry.path), reader, on_error, number)
        opened.append(shards.open_or_build(folder, key, encoded.units, np.uint64, warn))
    return opened


def _key(entry: Input, reader: Reader, version: str, on_error: OnError, *what: str) -> str:
    """The name of a file's shard; ``what`` it holds, where that is not the units."""
    path, domain = Path(entry.path), reader.domain
    where = domain.location(path) if isinstance(domain, Located) else ""
    shaping = [where] if where else []
    shaping += reader.described(path)
    if on_error == "skip":
        shaping += map(str, longest.stated().values())
    return shards.shard_key(entry.sha256, version, domain.encoding, on_error, *shaping, *what)


class _Encoded:
    """What a function makes of each of one file's records, read anew at every call."""

    def __init__(
        self, path: Path, reader: Reader, on_error: OnError, encode: Callable[[Record], Array]
    ) -> None:
        self._path, self._reader, self._on_error = path, reader, on_error
        self._encode = encode

    def units(self) -> Iterator[Array | None]:
        try:
            for record in self._reader.read(self._path, self._on_error):
                yield None if record.error else self._encode(record)
        except EmptyFileError:
            if self._on_error == "stop":
                raise
