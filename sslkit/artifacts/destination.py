"""Where a stage may write. Every stage asks here first, before any work.

What stands at the name already is replaced only where its manifest says that the same stage wrote
it (see ``kinds``); an output is never an input, nor a folder that holds one, nor a file that would
be read as part of the corpus the next time; and it has a name and a place that can be written.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sslkit.artifacts import kinds
from sslkit.artifacts.kinds import Kind
from sslkit.errors import ResourceError, UsageError
from sslkit.files import atomic, folders, source

#: What an output is called while it is written is so many bytes longer than its name.
_LONGER_BY = 24
_NAME_BYTES, _PATH_BYTES = 255, 4096
#: What each form is written as, and endings that promise another format.
_ENDINGS = {"table": ".parquet", "picture": ".png"}
_OTHERS = {
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".xlsx", ".xls", ".arrow", ".feather", ".orc"),
    *(".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth", ".ckpt"),
    *(".safetensors", ".db", ".sqlite", ".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".parquet"),
    *(".fa", ".fasta", ".fna", ".faa", ".fq", ".fastq", ".bed", ".gb", ".gbk", ".smi", ".sdf"),
    *(".png", ".pdf", ".svg", ".eps", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".html", ".md"),
    *(".py", ".sh", ".toml", ".yaml", ".yml"),
}
#: Options that name folders of temporary files and of a cache, and all that are no inputs.
_FOLDERS = ("tmp", "shards")
_NO_INPUTS = {"out", "plot", *_FOLDERS}
_ELSEWHERE = "write elsewhere with --out"


def check(out: Path, kind: Kind, options: Any, *, do: str = _ELSEWHERE) -> None:
    """Refuse a place that cannot or must not be written.

    Args:
        options: of the stage; every path in them but those of outputs is an input.
        do: what the user can do.

    Raises:
        UsageError: it is no place for this kind of output, stands for an input, or holds what
            sslkit did not write as this kind; or a folder for temporary files is a file.
        ResourceError: it cannot be written.
    """
    for name in _FOLDERS:
        if (folder := getattr(options, name, None)) is not None:
            check_folder(folder, f"name another folder with --{name}")
    _check_name(out, kind, do)
    _check_parents(out, do)
    if os.path.lexists(out):
        _check_content(out, kind, do)
    for path in _inputs(options):
        _check_apart(out, path, do)
    if getattr(options, "force", False) or not kind.is_finished(out):
        _check_writable(out, do)
        if kind.has_parts:
            check(kinds.parts_of(out), kinds.parts(kind.stage), options, do=do)


def check_folder(path: Path, do: str) -> None:
    """Refuse what cannot be the folder of a cache or of temporary files, there or not.

    Raises:
        UsageError: it is a file, or lies below one.
    """
    _check_parents(path, do)
    if os.path.lexists(path) and not path.is_dir():
        raise UsageError(f"{path} is no folder", do=do)


def check_corpus(
    out: Path, kind: Kind, asked: Iterable[Path], endings: tuple[str, ...], files: Iterable[Path]
) -> None:
    """Refuse an output that is, or would be the next time, part of the corpus.

    Args:
        asked: files, folders and globs as they were named.
        endings: of the names of files that are taken from a folder.
        files: what was found.

    Raises:
        UsageError: it is, or would be.
    """
    for path in files:
        _check_apart(out, path, _ELSEWHERE)
    real = _real(out)
    names = kind.names or ("",)
    written = [real / name if name else real for name in names]
    for path in asked:
        for file in written:
            if folders.stands_for(path, endings, file):
                raise UsageError(
                    f"{out} lies in {path}, which is read",
                    why=f"{file.name} would be part of it the next time",
                    do="write outside of it with --out",
                )


def _inputs(options: Any) -> Iterable[Path]:
    """All paths in the options of a stage but those of outputs."""
    for name, value in vars(options).items():
        if name in _NO_INPUTS:
            continue
        values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
        yield from (path for path in values if isinstance(path, Path) and path != source.STDIN)


def _check_name(out: Path, kind: Kind, do: str) -> None:
    if out == source.STDIN:
        raise UsageError(f"{kind.noun} cannot be written to standard output", do="name a file")
    wanted = _ENDINGS.get(kind.form)
    ending = out.suffix.lower()
    if wanted and ending != wanted and ending in _OTHERS:
        raise UsageError(
            f"{out} would not hold what its name says",
            why=f"a {kind.noun} is written as {wanted.removeprefix('.')}",
            do=f"name it {out.with_suffix(wanted).name}",
        )
    most = _NAME_BYTES - (0 if kind.form in ("run", "report") else _LONGER_BY)
    sizes = [len(os.fsencode(part)) for part in out.parts]
    whole = len(os.fsencode(out.absolute()))
    if sizes and (sizes[-1] > most or max(sizes) > _NAME_BYTES or whole > _PATH_BYTES - 64):
        raise UsageError("the name of the output is too long", why=f"{out.name[:60]}...", do=do)
    if "\0" in str(out):
        raise UsageError("the name of the output holds a zero byte", do=do)


def _check_parents(out: Path, do: str) -> None:
    try:
        if out.is_symlink() and not out.exists():
            raise UsageError(f"{out} is a link that leads nowhere", do="remove it, or " + do)
        standing = _standing(out.parent)
        is_folder = standing.is_dir()
    except OSError as error:
        raise UsageError(f"there is no place {out}", why=str(error), do=do) from error
    if not is_folder:
        raise UsageError(f"{out} would lie below {standing}, which is no folder", do=do)


def _standing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _check_apart(out: Path, path: Path, do: str) -> None:
    real, other = _real(out), _real(path)
    if real == other or _is_same(out, path):
        raise UsageError(f"{out} is an input, and would be overwritten", where=str(path), do=do)
    if real in other.parents:
        raise UsageError(f"{out} holds an input", where=str(path), do=do)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _check_content(out: Path, kind: Kind, do: str) -> None:
    if kind.is_folder and not out.is_dir():
        raise UsageError(f"{out} is a file", why=f"a {kind.noun} is written", do=do)
    if not kind.is_folder and out.is_dir():
        raise UsageError(f"{out} is a folder", do="name a file with --out")
    try:
        fits, origin = kinds.is_of(out, kind), kinds.origin(out)
    except OSError as error:
        raise ResourceError(f"{out} cannot be read", why=str(error), do=do) from error
    if not fits:
        why = f"it was made by sslkit {origin[1]}" if origin else "sslkit did not write it"
        raise UsageError(
            f"{out} is no {kind.noun}", why=why, do=f"{do}; --force replaces only a {kind.noun}"
        )


def _check_writable(out: Path, do: str) -> None:
    there = os.path.lexists(out)
    for path in {out, _standing(out.parent)} if there else {_standing(out.parent)}:
        # Whoever may write everything is asked not to write what is protected.
        is_protected = atomic.is_protected(path)
        if is_protected or not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
            why = "it is read-only" if is_protected else "this user may not, or the system forbids"
            raise ResourceError(f"{path} cannot be written", why=why, do=do)
