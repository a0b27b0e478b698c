"""Finding and opening input files: folders, globs, ``-``, plain or compressed."""

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from sslkit.errors import DataError, UsageError
from sslkit.files import encoding, zstd

#: Where ``-`` stands for standard input.
STDIN = Path("-")

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bz2"),
)
_BUFFER = 1 << 17
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def find(paths: Iterable[str | Path], endings: tuple[str, ...]) -> list[Path]:
    """The files that ``paths`` name, sorted within each of them.

    A folder stands for all files below it whose name, less a compression ending, ends in one of
    ``endings``; a file or a glob stands for itself, whatever its ending.

    Raises:
        UsageError: a path that does not exist, or nothing found at all.
        DataError: a folder that cannot be read.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        with reading(path):
            found += _named(path, endings)
    if not found:
        named = ", ".join(map(str, paths))
        raise UsageError(f"nothing to read in {named}", why=f"looked for {', '.join(endings)}")
    return list(dict.fromkeys(found))


def _named(path: Path, endings: tuple[str, ...]) -> list[Path]:
    if path == STDIN or path.is_file():
        return [path]
    if path.is_dir():
        below = sorted(f for f in _below(path) if f.is_file())
        return [f for f in below if plain_name(f).lower().endswith(endings)]
    if matches := sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))):
        return [f for f in matches if f.is_file()]
    raise UsageError(f"there is no file or folder {path}")


def stands_for(path: Path, endings: tuple[str, ...], file: Path) -> bool:
    """Whether a folder or a glob takes in a file, which need not be there.

    Args:
        endings: as ``find`` takes them.
        file: without links on its way.
    """
    if path == STDIN or path.is_file():
        return False
    real = Path(os.path.realpath(path))
    if path.is_dir():
        return real in file.parents and plain_name(file).lower().endswith(endings)
    return file.match(str(real))


def _below(folder: Path) -> Iterator[Path]:
    """All files of a folder and of those in it; one that cannot be read is no empty one."""

    def refuse(error: OSError) -> NoReturn:
        raise error

    for here, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(here) / name for name in names)


def plain_name(path: Path) -> str:
    """The file's name without the ending of its compression."""
    return path.stem if path.suffix.lower() in {".gz", ".bgz", ".zst", ".xz", ".bz2"} else path.name


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what can go wrong while a file is read into an error that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}") from error
    except _BROKEN as error:
        raise DataError(
            "a compressed file is damaged or cut off", where=str(path), why=str(error)
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("a file is not UTF-8 text", where=str(path), why=str(error)) from error
    except OSError as error:
        raise DataError("a file cannot be read", where=str(path), why=str(error)) from error


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """A file's content, decompressed where its first bytes say so; ``-`` is standard input.

    Raises:
        DataError: it is text in UTF-16 or UTF-32, by its first bytes, with a mark or without.
    """
    with reading(path):
        raw = sys.stdin.buffer if path == STDIN else path.open("rb", buffering=0)
        try:
            stream = _decompressed(io.BufferedReader(cast(io.RawIOBase, raw), _BUFFER), path)
            _refuse_wide(stream.peek(encoding.HEAD)[: encoding.HEAD], path)
            yield stream
        finally:
            if path != STDIN:
                raw.close()


def _refuse_wide(head: bytes, path: Path) -> None:
    if name := encoding.wide(head):
        raise DataError(
            f"a file is {name} text, and UTF-8 is read",
            where=str(path),
            do=f"convert it: iconv -f {name} -t UTF-8",
        )


def as_text(stream: io.BufferedReader, errors: str = "strict") -> IO[str]:
    """An open stream as UTF-8 text; all kinds of line ends read as a newline."""
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors=errors)


def decoded(raw: bytes) -> str:
    """A name as text: UTF-8, or Latin-1 where it is none, so that different ones stay different."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a stream without their ends, of whichever kind these are."""
    for number, long in enumerate(stream):
        yield from (long if number else long.removeprefix(codecs.BOM_UTF8)).splitlines()


def unix_lines(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """A stream in blocks of about ``size`` bytes, all kinds of line ends as a line feed."""
    waiting = b""
    while block := stream.read(size):
        block = waiting + block
        # Behind a CR at the end of a block the LF may be on its way.
        waiting = block[-1:] if block.endswith(b"\r") else b""
        if b"\r" in block:
            block = block[: len(block) - len(waiting)]
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield block
    if waiting:
        yield b"\n"


def compression(head: bytes) -> str:
    """How a file that begins with these (six) bytes is compressed: gz, zst, xz, bz2, or not."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def _decompressed(stream: io.BufferedReader, path: Path) -> io.BufferedReader:
    kind = compression(stream.peek(6)[:6])
    openers: dict[str, Callable[[Any], Any]] = {
        "gz": lambda raw: gzip.GzipFile(fileobj=raw),
        "xz": lzma.LZMAFile,
        "bz2": bz2.BZ2File,
        "zst": lambda raw: zstd.Reader(raw, path),
    }
    return io.BufferedReader(openers[kind](stream), _BUFFER) if kind else stream


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with reading(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def states(files: Iterable[Path]) -> list[list[Any]]:
    """Path, size and times of each file, as JSON takes them; standard input has none.

    The time of writing is copied along with a file (rsync -a, mv, touch); that of its last change
    on this disk (ctime) cannot be given.
    """
    stats = [(path, None if path == STDIN else path.stat()) for path in files]
    kinds = ("st_size", "st_mtime_ns", "st_ctime_ns")
    return [
        [str(f.absolute()), *(getattr(stat, kind, None) for kind in kinds)] for f, stat in stats
    ]
