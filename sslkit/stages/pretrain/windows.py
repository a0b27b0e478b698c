"""Unlabelled data as windows to train on and windows held out: what pretraining begins with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sslkit.artifacts.manifest import Input, Manifest
from sslkit.console import Console, human, plural
from sslkit.contracts.domain import RecordDomain, TokenDomain
from sslkit.data import corpus, heldout, shards
from sslkit.data.shards import Shard
from sslkit.data.tables import Reader
from sslkit.data.windows import Windows
from sslkit.engine.distributed import World
from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import folders, pipes
from sslkit.files.columns import USUAL, Columns

#: Records are cut into pieces of about this many units, some of which are held out.
_SEGMENT_UNITS = 16384
_HELDOUT_UNITS = 2**22
_NAMED_FILES = 4


@dataclass(frozen=True)
class Cut:
    """How a corpus becomes windows.

    Attributes:
        window: tokens of a window.
        heldout: share of the corpus that is held out, 0 to 0.5.
        cache: folder of the shards.
        columns: of tables, that were named or that the vocabulary was made from.
        own: endings of the names of files that the domain reads as they are.
    """

    window: int
    heldout: float
    seed: int
    cache: Path
    on_error: OnError
    columns: Columns = USUAL
    own: tuple[str, ...] = ()


def files(
    named: Sequence[Path] | None,
    endings: tuple[str, ...],
    made: Manifest,
    vocab: Path,
    console: Console,
    *,
    all_files: bool = False,
    on_error: OnError = "stop",
) -> list[Path]:
    """The files to train on: those named, or those that the vocabulary was made from.

    Args:
        made: what the vocabulary says of its making.
        vocab: its file.
        all_files: as ``folders.find`` has it; a vocabulary that was made so is enough.
        on_error: likewise.

    Raises:
        UsageError: standard input or a pipe, which cannot be read twice.
        DataError: a link that leads nowhere.
    """
    if named:
        inherited = bool(made.settings.get("all_files")) and not all_files
        listing = folders.find(named, endings, all_files=all_files or inherited, on_error=on_error)
        how = " (--all-files, as the vocabulary)" if inherited else ""
        console.say(listing.summary(made.plugins["domain"]["name"]) + how)
        paths = list(listing.files)
        unreadable = [path for path in paths if pipes.is_pipe(path)]
    else:
        paths = [_located(entry, vocab.parent) for entry in made.inputs]
        listed = ", ".join(map(str, paths[:_NAMED_FILES]))
        more = f" and {len(paths) - _NAMED_FILES} more" if len(paths) > _NAMED_FILES else ""
        console.say(f"corpus of the vocabulary: {listed}{more}")
        unreadable = [Path(entry.path) for entry in made.inputs if not entry.sha256]
    if unreadable:
        name = "standard input" if unreadable[0] == pipes.STDIN else f"a pipe, {unreadable[0]}"
        raise UsageError(
            f"a corpus is read more than once, so it cannot come from {name}",
            do="write it to a file and name that",
        )
    return paths


def _located(entry: Input, beside: Path) -> Path:
    """A file of the corpus that a vocabulary names, from here or from the vocabulary's folder.

    Raises:
        UsageError: it is in neither place.
    """
    path = Path(entry.path)
    for place in (path, beside / path):
        if place == pipes.STDIN or not entry.sha256 or place.exists():
            return place
    raise UsageError(
        f"the corpus of the vocabulary is not there any more: {path}",
        why="the vocabulary names the files that it was made from",
        do="say where they are now: sslkit pretrain FOLDER",
    )


def encoded(
    inputs: tuple[Input, ...],
    domain: RecordDomain,
    version: str,
    cut: Cut,
    processes: World,
    console: Console,
) -> list[Shard]:
    """The shards of a corpus: one process makes them, the others map what it made.

    Args:
        version: name and version of the domain.
    """

    def opened() -> list[Shard]:
        reader = Reader(domain, cut.own, cut.columns)
        where = cut.cache, cut.on_error
        return corpus.open_shards(inputs, domain, version, *where, console.warn, reader)

    shards_of_files = opened() if processes.is_main_process else []
    processes.barrier()
    return shards_of_files or opened()


def windows(
    inputs: tuple[Input, ...],
    domain: TokenDomain,
    version: str,
    cut: Cut,
    processes: World,
    console: Console,
) -> tuple[Windows, Windows]:
    """Windows to train on and windows held out; says how much there is of each.

    Args:
        version: name and version of the domain.

    Raises:
        DataError: the corpus is too small to hold anything out, or repeats itself.
    """

    found = encoded(inputs, domain, version, cut, processes, console)
    width = domain.units(cut.window)
    segments = shards.cut(found, max(_SEGMENT_UNITS, width), domain.units(1))
    if len(segments) < 2:
        segments = shards.cut(found, width, domain.units(1))
    total = int(segments.length.sum())
    if len(segments) < 2:
        raise DataError(
            "the corpus is too small to hold anything out of it",
            where=", ".join(entry.path for entry in inputs),
            why=f"it has {total} units, and a window takes {width}",
            do="add data, or use a smaller --window",
        )
    wanted = min(int(total * cut.heldout), _HELDOUT_UNITS)
    split = heldout.hold_out(segments, wanted, domain.alternative)
    if not len(split.train):
        raise DataError(
            "nothing is left to train on",
            where=", ".join(entry.path for entry in inputs),
            why=f"all {split.copies} other pieces of the corpus repeat what is held out",
            do="add data that does not repeat itself",
        )
    skipped = sum(shard.skipped for shard in found)
    empty = sum(shard.is_empty for shard in found)
    passed = f" and {plural(empty, 'empty or unreadable file')}" if empty else ""
    console.say(
        f"corpus: {human(total)} units in {len(inputs) - empty} file(s), {skipped} records{passed} "
        "skipped; held "
        f"out {human(int(split.held.length.sum()))} units, {split.copies} segments left out as "
        f"copies, {split.overlap:.1%} of what is held out still stands in the training part"
    )
    return Windows(split.train, width, cut.seed), Windows(split.held, width, cut.seed)
