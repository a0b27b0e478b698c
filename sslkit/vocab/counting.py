"""The first half of a count: files in, spills on disk, to be continued after any end.

A spill says up to which byte of which file everything is counted and in which state the readers
were there. The next process takes the spills that are whole, from the first one on without a gap,
and goes on behind the last of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from sslkit.errors import DataError, EmptyFileError
from sslkit.files import source
from sslkit.vocab import budget, inputs, words
from sslkit.vocab.external_sort import runs
from sslkit.vocab.external_sort.runs import Run, Spill
from sslkit.vocab.kmers import kmers
from sslkit.vocab.parts import Part
from sslkit.vocab.scheme import Kmers, Reader, Scheme, Strings

#: Bytes that are read at once.
BLOCK = 1 << 19
# More tokens than a block and what was left of the one before can give.
_BLOCK_TOKENS = BLOCK + (1 << 18)


class _Store(Protocol):
    """Counts what readers give (``kmers.Counter``, ``words.Counter``)."""

    def full(self) -> bool: ...

    def add(self, unit: Any, /) -> None: ...

    def end(self) -> None: ...

    def write(self, stem: Path, check: Callable[[], None], /) -> list[Run]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: Any) -> None: ...


@dataclass
class Files:
    """Where bytes come from.

    Attributes:
        open: gives a stream of what is to be counted of a file.
        skip: whether bad records are passed over instead of stopping.
    """

    parts: Sequence[Part]
    open: Callable[[Path], AbstractContextManager[IO[bytes]]]
    skip: bool


@dataclass
class Watch:
    """What the work tells while it goes on.

    Attributes:
        stopped: whether somebody asked to stop.
        read: called with bytes that were read and a note.
    """

    stopped: Callable[[], bool]
    read: Callable[[int, str], None]


class StoppedError(Exception):
    """The count was asked to stop; what it had is in spills."""


def store_for(
    scheme: Scheme, canonical: bool, memory: int, compiled: bool = False, threads: int = 1
) -> _Store:
    """An empty store for what a scheme's readers give; see ``kmers.Counter``."""
    if isinstance(scheme, Kmers):
        return kmers.Counter(scheme.k, canonical, memory, _BLOCK_TOKENS, compiled, threads)
    return words.Counter(memory, _BLOCK_TOKENS)


def existing(folder: Path) -> list[Spill]:
    """The whole spills of an earlier process that follow each other; the others are removed."""
    found: list[Spill] = []
    reached: Any = None
    for header in sorted(folder.glob("spill-*.json")):
        spill = runs.load(header)
        if spill is not None and spill.covers["from"] == reached:
            found.append(spill)
            reached = spill.covers["to"]
        else:
            _remove(folder, header.name.removesuffix(".json"))
    return found


def _remove(folder: Path, stem: str) -> None:
    for path in [folder / f"{stem}.json", *folder.glob(f"{stem}.*")]:
        path.unlink(missing_ok=True)


class Count:
    """One pass over files.

    Args:
        folder: where spills are, those of an earlier process too.
    """

    def __init__(
        self, scheme: Scheme, store: _Store, files: Files, folder: Path, watch: Watch
    ) -> None:
        self._scheme = scheme
        self._store = store
        self._files = files
        self._folder = folder
        self._watch = watch
        self._reached: Any = None
        self.spills = existing(folder)
        self.tally: Counter[str] = Counter()

    def run(self) -> None:
        """Count everything that no spill covers.

        Raises:
            StoppedError: asked to; what was counted is in spills.
        """
        budget.keep_memory()
        file, resumed = 0, None
        if self.spills:
            self._reached = self.spills[-1].covers["to"]
            file, resumed = self._reached["file"], self._reached["reader"]
            self.tally = Counter(self._reached["tally"])
            self._store.restore(self._reached["store"])
        for number in range(file, len(self._files.parts)):
            self._read(number, resumed)
            resumed = None
        end = {"file": len(self._files.parts), "reader": None}
        if not self.spills or self._reached["file"] != end["file"]:
            self._spill(end)

    def _read(self, number: int, resumed: dict[str, Any] | None) -> None:
        part = self._files.parts[number]
        try:
            reader = self._fed(part, number, resumed)
        except EmptyFileError:
            if not self._files.skip:
                raise
            # Of a file that is divided, its first part is counted.
            self.tally["empty_files"] += part.start == 0
            return
        self._store.end()
        self.tally += reader.tally

    def _fed(self, part: Part, number: int, resumed: dict[str, Any] | None) -> Reader[Any]:
        """The reader of a part that was read to its end.

        Raises:
            EmptyFileError: a file without a token, where it should have one.
        """
        reader: Reader[Any] = self._scheme.reader(str(part.path), self._survey(part))
        done = part.start
        has_tokens = bool(resumed) or not part.is_whole or not _needs_tokens(self._scheme)
        if resumed:
            reader.restore(resumed["state"])
            done = resumed["offset"]
        with self._files.open(part.path) as stream, self._named_from_the_start(part):
            for block in _blocks(stream, done, part.end):
                unit = reader.feed(block)
                has_tokens = has_tokens or bool(len(unit.starts))
                self._store.add(unit)
                done += len(block)
                stopped = self._watch.stopped()
                if stopped or self._store.full():
                    place = {"offset": done - reader.pending, "state": reader.state()}
                    self._spill({"file": number, "reader": place})
                if stopped:
                    raise StoppedError
                self._watch.read(len(block), f"{len(self.spills)} runs")
            if bad := inputs.passed_over(stream):
                self.tally["bad_records"] += bad
        with self._named_from_the_start(part):
            unit = reader.finish()
        if not (has_tokens or len(unit.starts) or reader.tally or bad):
            raise source.empty(part.path, "it holds no token")
        self._store.add(unit)
        return reader

    @contextmanager
    def _named_from_the_start(self, part: Part) -> Iterator[None]:
        """Let an error in a later part of a file name its record as the whole file counts it."""
        try:
            yield
        except DataError:
            if part.start:
                reader: Reader[Any] = self._scheme.reader(str(part.path), set())
                with self._files.open(part.path) as stream:
                    for block in _blocks(stream, 0, None):
                        reader.feed(block)
                reader.finish()
            raise

    def _survey(self, part: Part) -> set[int]:
        """The numbers of the bad records of a file, where they are to be passed over."""
        bad: set[int] = set()
        if self._files.skip and self._scheme.survey:
            reader = self._scheme.survey(str(part.path), bad)
            with self._files.open(part.path) as stream:
                for block in _blocks(stream, part.start, part.end):
                    if self._watch.stopped():
                        raise StoppedError
                    reader.feed(block)
            reader.finish()
        return bad

    def _check(self) -> None:
        if self._watch.stopped():
            raise StoppedError

    def _spill(self, end: dict[str, Any]) -> None:
        stem = self._folder / f"spill-{len(self.spills):06d}"
        found = self._store.write(stem, self._check)
        end = {**end, "tally": dict(self.tally), "store": self._store.state()}
        self.spills.append(runs.seal(stem, found, {"from": self._reached, "to": end}))
        self._reached = end


def _needs_tokens(scheme: Scheme) -> bool:
    """Whether a file without a token is refused here; readers of FASTA ask for records."""
    return isinstance(scheme, Strings) and scheme.needs_tokens


def _blocks(stream: IO[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """The bytes of a stream between two places."""
    _pass_over(stream, start)
    while end is None or start < end:
        block = stream.read(BLOCK if end is None else min(BLOCK, end - start))
        if not block:
            return
        start += len(block)
        yield block


def _pass_over(stream: IO[bytes], amount: int) -> None:
    """Go to a place in a stream; one without places is read up to there."""
    if stream.seekable():
        stream.seek(amount)
        return
    while amount:
        held = stream.read(min(amount, BLOCK))
        if not held:
            raise DataError("a file is shorter than it was", do="start again with --force")
        amount -= len(held)
