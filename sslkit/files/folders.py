"""Which files a command reads: those that are named, and those of a folder that are a corpus.

Nothing that a listing of the folder shows is passed over in silence: links are followed, and what
is left out is kept with the reason.
"""

import errno
import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import source

#: Why something in a folder is not read.
UNKNOWN, OTHER_KIND, HIDDEN = "of unknown ending", "of another kind", "hidden"
VERSION_CONTROL, ENVIRONMENT, CACHE = "of version control", "of an environment", "of a cache"
LOOP, AGAIN, NO_FILE = "linked in a circle", "read by another name", "no regular file"
DANGLING = "linked to nothing"
#: What ``all_files`` reads all the same.
_NO_CORPUS = (HIDDEN, VERSION_CONTROL, ENVIRONMENT, CACHE)

_NAMES = {
    **dict.fromkeys((".git", ".svn", ".hg", ".bzr", "CVS", "_darcs"), VERSION_CONTROL),
    **dict.fromkeys(("node_modules", "site-packages", ".venv"), ENVIRONMENT),
    **dict.fromkeys(("__pycache__", ".ipynb_checkpoints", "__MACOSX"), CACHE),
}
#: What a folder holds, and what it is then.
_SIGNS = {"pyvenv.cfg": ENVIRONMENT, "conda-meta": ENVIRONMENT, "CACHEDIR.TAG": CACHE}
_SHOWN = 3
#: Errors of a link that leads nowhere, or to itself.
_NOWHERE = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR}


@dataclass(frozen=True)
class Listing:
    """The files that some paths stand for.

    Attributes:
        files: sorted within each of the paths.
        left_out: by reason, the files and whole folders that are not read.
    """

    files: tuple[Path, ...]
    left_out: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def only(self, files: Sequence[Path]) -> "Listing":
        """The listing with some of its files; the others are of another kind."""
        others = tuple(path for path in self.files if path not in set(files))
        left_out = {**self.left_out, **({OTHER_KIND: others} if others else {})}
        return Listing(tuple(files), left_out)

    def counts(self) -> dict[str, int]:
        """How much is left out, by reason."""
        return {reason: len(paths) for reason, paths in self.left_out.items()}

    def summary(self, kind: str) -> str:
        """What is read and what is not, for people."""
        files = f"{len(self.files)} file{'s' * (len(self.files) != 1)}"
        return f"reads {files} of {kind}; {self}" if self.left_out else f"reads {files} of {kind}"

    def __str__(self) -> str:
        """What is left out, as "leaves out 2: 1 of unknown ending (.zip), 1 hidden (.git)"."""
        if not self.left_out:
            return "leaves out nothing"
        reasons = [
            f"{len(paths)} {reason} ({_shown(reason, paths)})"
            for reason, paths in self.left_out.items()
        ]
        return f"leaves out {sum(self.counts().values())}: {', '.join(reasons)}"


def _shown(reason: str, paths: Sequence[Path]) -> str:
    """The first few of what is left out; of unknown endings these alone."""
    endings = [path.suffix or path.name for path in paths]
    words = list(dict.fromkeys(endings if reason == UNKNOWN else map(str, paths)))
    return ", ".join(words[:_SHOWN] + ["..."] * (len(words) > _SHOWN))


def find(
    paths: Iterable[str | Path],
    endings: tuple[str, ...],
    *,
    all_files: bool = False,
    on_error: OnError = "stop",
) -> Listing:
    """The files that ``paths`` name.

    A folder stands for all files below it, links followed, whose name, less a compression ending,
    ends in one of ``endings``; a file that is named stands for itself, whatever its ending. A glob
    is as a shell has it, where it matches a folder too.

    Args:
        all_files: read of a folder also what is hidden, of version control, environments, caches.
        on_error: what a link does that leads nowhere.

    Raises:
        UsageError: a path that does not exist, or nothing to read at all.
        DataError: a folder that cannot be read; a link that leads nowhere, with "stop".
    """
    asked = [Path(path) for path in paths]
    search = _Search(endings, all_files)
    named = [path for one in asked for path in search.expanded(one)]
    search.names = {os.path.realpath(path): path for path in named if not path.is_dir()}
    for path in named:
        with source.reading(path):
            search.take(path)
    if (links := search.left_out.get(DANGLING)) and on_error == "stop":
        raise dangling(links, ", or pass it over with --on-error skip")
    left_out = {reason: tuple(dict.fromkeys(those)) for reason, those in search.left_out.items()}
    listing = Listing(tuple(dict.fromkeys(search.files)), left_out)
    if not listing.files:
        hidden = any(reason in left_out for reason in _NO_CORPUS)
        raise UsageError(
            f"nothing to read in {', '.join(map(str, asked))}",
            why=f"looked for {', '.join(endings)}; {listing}",
            do="name the files themselves" + (", or give --all-files" if hidden else ""),
        )
    return listing


def stands_for(path: Path, endings: tuple[str, ...], file: Path) -> bool:
    """Whether a folder or a glob takes in a file, which need not be there.

    Args:
        endings: as ``find`` takes them.
        file: without links on its way.
    """
    if path == source.STDIN or path.is_file():
        return False
    real = Path(os.path.realpath(path))
    if path.is_dir():
        return real in file.parents and source.plain_name(file).lower().endswith(endings)
    return file.match(str(real))


def dangling(links: Sequence[Path], besides: str = "") -> DataError:
    """The error for links that lead nowhere; ``besides`` is what else can be done."""
    others = f", and {len(links) - 1} more" if len(links) > 1 else ""
    return DataError(
        "a link leads nowhere",
        where=f"{links[0]}{others}",
        why=f"it points to {links[0].readlink()}",
        do=f"fetch its file (git annex get, datalad get), or remove the link{besides}",
    )


class _Search:
    """Gathers files and what is left out.

    Attributes:
        names: by real path, the name that a file is read by.
    """

    def __init__(self, endings: tuple[str, ...], all_files: bool) -> None:
        self._endings = endings
        self._all_files = all_files
        self.files: list[Path] = []
        self.left_out: dict[str, list[Path]] = {}
        self.names: dict[str, Path] = {}

    def expanded(self, path: Path) -> list[Path]:
        """The files and folders that a path or a glob names; a link to nothing is left out."""
        if path == source.STDIN or path.exists():
            return [path]
        if path.is_symlink():
            self._leave(DANGLING, path)
            return []
        matches = _matches(path)
        if not matches:
            raise UsageError(f"there is no file or folder {path}")
        first: dict[str, Path] = {}
        for match in matches:
            if first.setdefault(os.path.realpath(match), match) != match:
                self._leave(AGAIN, match)
        return [one for match in first.values() for one in self.expanded(match)]

    def take(self, path: Path) -> None:
        """Read a file, or all corpus files of a folder."""
        if not path.is_dir():
            self.files.append(path)
            return
        for below, real in sorted(self._below(path)):
            if self.names.setdefault(real, below) == below:
                self.files.append(below)
            else:
                self._leave(AGAIN, below)

    def _below(self, top: Path) -> Iterator[tuple[Path, str]]:
        """The corpus files of a folder and of all in it, with their real paths."""
        waiting = [(top, os.path.realpath(top))]
        entered = {waiting[0][1]}
        while waiting:
            folder, real_folder = waiting.pop()
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
            for entry in ordered:
                path = folder / entry.name
                is_link = entry.is_symlink()
                real = os.path.realpath(path) if is_link else f"{real_folder}/{entry.name}"
                if reason := self._reason(entry, real, real_folder):
                    self._leave(reason, path)
                elif not entry.is_dir():
                    yield path, real
                elif real in entered:
                    self._leave(AGAIN, path)
                else:
                    entered.add(real)
                    waiting.append((path, real))

    def _reason(self, entry: os.DirEntry[str], real: str, real_folder: str) -> str:
        """Why an entry of a folder is not read; empty for one that is."""
        name = entry.name
        if not self._all_files and (aside := _NAMES.get(name, HIDDEN * name.startswith("."))):
            return aside
        known = source.plain_name(Path(name)).lower().endswith(self._endings)
        if entry.is_symlink():
            try:
                Path(entry.path).stat()
            except OSError as error:
                if error.errno not in _NOWHERE:
                    raise
                # Without an ending it may have been a folder.
                return DANGLING if known or not Path(name).suffix else UNKNOWN
        if entry.is_dir():
            if entry.is_symlink() and os.path.commonpath([real, real_folder]) == real:
                return LOOP
            return "" if self._all_files else _kind_of_folder(entry.path)
        if not known:
            return UNKNOWN
        return "" if entry.is_file() else NO_FILE

    def _leave(self, reason: str, path: Path) -> None:
        self.left_out.setdefault(reason, []).append(path)


def _kind_of_folder(path: str) -> str:
    """What a folder is by what lies in it, where it is no corpus."""
    return next((kind for sign, kind in _SIGNS.items() if Path(path, sign).exists()), "")


def _matches(pattern: Path) -> list[Path]:
    """What a glob matches, as in a shell: ``**`` is folders at any depth, here behind links too."""
    start = Path(pattern.anchor)
    return list(dict.fromkeys(_below_pattern(start, pattern.parts[len(start.parts) :], ())))


def _below_pattern(folder: Path, parts: Sequence[str], above: tuple[str, ...]) -> Iterator[Path]:
    """Matches of the parts of a pattern; ``above`` are the real paths of folders around."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _below_pattern(folder, rest or ("*",), ())
        real = os.path.realpath(folder)
        for inner in _entries(folder, "*") if real not in above else ():
            if inner.is_dir():
                yield from _below_pattern(inner, parts, (*above, real))
        return
    for inner in _entries(folder, part):
        if not rest or inner.is_dir():
            yield from _below_pattern(inner, rest, above)


def _entries(folder: Path, pattern: str) -> list[Path]:
    """What in a folder is called so; names that begin with a dot only where the pattern does."""
    if pattern == "..":
        return [folder / pattern]
    return [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else [])
        if fnmatch.fnmatchcase(path.name, pattern) and (path.name[0] != "." or pattern[0] == ".")
    ]
