"""The finished parts of a long job, kept in a folder until its output is whole.

Parts are Arrow files named by the lots of work they hold, ``00000000-00000016.arrow``, each with
its checksum behind it. Each is either whole or not there, and begins where another one ends; one
that was changed counts as not there. One process works in the folder at a time; where the file
system knows no locks, two of them write equal parts and each uses only those that fit its own.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from sslkit.artifacts.content import by_content
from sslkit.artifacts.kinds import JOB, is_unused, parts_of
from sslkit.artifacts.run import differences
from sslkit.errors import DataError, SslkitError, UsageError
from sslkit.files import atomic, checksum, lock

_LOCK = "lock"
_WHOLE = "whole.parquet"
_PART = re.compile(r"\d{8}-\d{8}\.arrow")
_STATE = b"sslkit.state"
_CHECK, _CHECK_BYTES = b"%08x", 8


class Parts:
    """What has been done of a job.

    Attributes:
        chunks: how many lots of work the parts hold.
        state: what was stored with the last part; empty where there is none.
        damaged: parts that are not as they were written, whose work is done again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunks = 0
        self.state: dict[str, Any] = {}
        self.damaged: list[Path] = []
        self._files: list[Path] = []
        while (found := self._following()) is not None:
            path, end, self.state = found
            self._files.append(path)
            self.chunks = end

    def _following(self) -> tuple[Path, int, dict[str, Any]] | None:
        """The longest readable part that begins where the last one ends."""
        for path in sorted(self.folder.glob(f"{self.chunks:08d}-*.arrow"), reverse=True):
            try:
                _verify(path)
                with _reader(path) as reader:
                    state = json.loads(reader.schema.metadata[_STATE])
            except (pa.ArrowException, OSError, ValueError, LookupError, TypeError):
                self.damaged.append(path)
                continue
            return path, int(path.stem.partition("-")[2]), state
        return None

    def append(self, table: pa.Table, chunks: int, state: Mapping[str, Any]) -> None:
        """Keep a part that brings the work to ``chunks``."""
        path = self.folder / f"{self.chunks:08d}-{chunks:08d}.arrow"
        schema = table.schema.with_metadata({_STATE: json.dumps(state).encode()})
        with atomic.replacing(path) as temporary:
            with pa.ipc.new_file(temporary, schema) as writer:
                writer.write_table(table.cast(schema))
            check = _CHECK % checksum.of_file(temporary)
            with temporary.open("ab") as stream:
                stream.write(check)
        self._files.append(path)
        self.chunks, self.state = chunks, dict(state)

    def tables(self) -> Iterator[pa.Table]:
        """All parts in order, one in memory at a time."""
        for path in self._files:
            with _reader(path) as reader:
                yield reader.read_all().replace_schema_metadata(None)

    @property
    def whole(self) -> Path:
        """Where the output is written, before ``publish`` puts it into its place."""
        return self.folder / _WHOLE

    def publish(self, out: Path) -> None:
        """Put the whole output into its place and remove the parts.

        Raises:
            ResourceError: it cannot be put there.
        """
        atomic.move(self.whole, out)
        self.remove()

    def remove(self) -> None:
        """Delete what the folder holds; the one that works in it removes it when it ends."""
        atomic.sweep_folder(self.folder)
        # Whose parts they are goes last: another kill must not leave any that nobody owns.
        for path in (*_files(self.folder), self.whole, self.folder / JOB):
            path.unlink(missing_ok=True)


def _verify(path: Path) -> None:
    """Compare a part with the checksum behind it; ValueError where it is another."""
    size = path.stat().st_size - _CHECK_BYTES
    with path.open("rb") as stream:
        stream.seek(max(0, size))
        check = stream.read()
    if check != _CHECK % checksum.of_file(path, max(0, size)):
        raise ValueError(f"{path} is not as it was written")


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    """The Arrow file of a part, without the checksum behind it."""
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer().slice(0, file.size() - _CHECK_BYTES)
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            yield reader


@contextmanager
def working(
    out: Path, identity: Mapping[str, Any], warn: Callable[[str], None], *, force: bool
) -> Iterator[Parts]:
    """The parts of the job that writes ``out``, for this process alone.

    Args:
        identity: all that decides the result. Parts of another job are refused.
        warn: is told of damaged parts.
        force: throw such parts away instead.

    Raises:
        ResourceError: another process is at it, or the folder cannot be made.
        UsageError: the folder holds parts of a job with other settings.
        DataError: what says whose parts they are is damaged.
    """
    with _alone(out) as folder:
        mine = _plain(identity)
        held = None if force and _is_damaged(out) else held_identity(out)
        if held is not None and (found := differences(by_content(held), by_content(mine))):
            if not force and _files(folder):
                raise UsageError(
                    f"{folder} holds parts of an unfinished run with other settings",
                    why="; ".join(found),
                    do="finish that run, write elsewhere with --out, or drop them with --force",
                )
            held = None
        if held is None:
            for old in _files(folder):
                old.unlink()
            atomic.write_text(folder / JOB, json.dumps(mine, indent=1, sort_keys=True))
        parts = Parts(folder)
        for path in parts.damaged:
            warn(f"{path} is damaged: what it held is done again")
        try:
            yield parts
        finally:
            if not parts.chunks:
                parts.remove()


def tidy(out: Path, jobs: Sequence[Mapping[str, Any]]) -> None:
    """Remove what a killed process left of the parts of an output that is written.

    Args:
        jobs: identities of the job that wrote it. Parts of another one stay, and so do all while
            another process works with them.
    """
    folder = parts_of(out)
    if not folder.is_dir() or not ((folder / JOB).is_file() or is_unused(folder)):
        return
    with suppress(SslkitError, OSError), _alone(out):
        left = held_identity(out)
        mine = [by_content(_plain(job)) for job in jobs]
        empty = left is None and not _files(folder)
        if empty or (left is not None and by_content(left) in mine):
            Parts(folder).remove()


@contextmanager
def _alone(out: Path) -> Iterator[Path]:
    """The folder of parts for this process alone; one that is empty in the end is removed."""
    folder = parts_of(out)
    do = "wait for it, or write elsewhere with --out"
    try:
        with lock.holding(folder / _LOCK, f"is writing {out}", do):
            yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()


def _plain(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _files(folder: Path) -> list[Path]:
    """The parts in a folder, finished and in one piece."""
    return [path for path in folder.glob("*.arrow") if _PART.fullmatch(path.name)]


def held_identity(out: Path) -> dict[str, Any] | None:
    """The identity of the unfinished job that writes ``out``; None where there is none.

    Raises:
        DataError: the file that says it is damaged.
    """
    path = parts_of(out) / JOB
    if not path.is_file():
        return None
    try:
        identity = json.loads(path.read_bytes())
        if not isinstance(identity, dict):
            raise TypeError("it is no JSON object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            "the parts of an unfinished run do not say whose they are",
            where=str(path),
            why=str(error),
            do="drop them with --force, or write elsewhere with --out",
        ) from error
    return identity


def _is_damaged(out: Path) -> bool:
    try:
        held_identity(out)
    except DataError:
        return True
    return False
