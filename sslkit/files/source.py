"""Opening input files, pipes and ``-``, plain or compressed."""

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from sslkit.errors import DataError, EmptyFileError, UsageError, WideTextError
from sslkit.files import concatenated, encoding, longest, pipes, zstd

STDIN = pipes.STDIN

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bz2"),
)
#: What is not read, by its first bytes: its name, and what unpacks it.
_ARCHIVES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "unzip it"),
    (b"\x1f\x9d", "compressed by compress", "uncompress it, or give zcat FILE |"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with 7z x"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it with unrar x"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "decompress it with lz4 -d"),
    (b"LZIP\x01", "compressed by lzip", "decompress it with lzip -d"),
)
_TAR, _TAR_SIGN = 257, b"ustar"
_BUFFER = 1 << 17
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def plain_name(path: Path) -> str:
    """The file's name without the ending of its compression."""
    return path.stem if path.suffix.lower() in {".gz", ".bgz", ".zst", ".xz", ".bz2"} else path.name


def empty(path: Path, why: str = "") -> EmptyFileError:
    """The error for a file that holds nothing."""
    return EmptyFileError(
        "a file is empty", where=str(path), why=why, do="leave it out, or fill it"
    )


def is_empty(path: Path) -> bool:
    """Whether a file holds nothing but white space, as far as a look at its beginning tells."""
    with open_bytes(path) as stream:
        head = stream.peek(_BUFFER)
    return len(head) < _BUFFER and not head.removeprefix(codecs.BOM_UTF8).strip()


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
def open_bytes(path: Path, *, once: bool = False) -> Iterator[io.BufferedReader]:
    """A file's content, decompressed where its first bytes say so; ``-`` is standard input.

    Args:
        once: whether nobody reads it again: what comes from a pipe is not kept then.

    Raises:
        WideTextError: it is text in UTF-16 or UTF-32, by its first bytes, with a mark or without.
    """
    with reading(path):
        raw = pipes.raw(path) if once else pipes.kept(path).open("rb", buffering=0)
        try:
            stream = _decompressed(io.BufferedReader(cast(io.RawIOBase, raw), _BUFFER), path)
            _refuse_wide(stream.peek(encoding.HEAD)[: encoding.HEAD], path)
            yield stream
        finally:
            if not (once and path == STDIN):
                raw.close()


def _refuse_wide(head: bytes, path: Path) -> None:
    if name := encoding.wide(head):
        raise WideTextError(
            f"a file is {name} text, and UTF-8 is read",
            where=str(path),
            do=f"convert it (iconv -f {name} -t UTF-8), or pass it over with --on-error skip",
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
    """The lines of a stream without their ends, of whichever kind these are.

    Of one that is longer than a record may be, the beginning comes, a byte more than that
    (``longest.is_exceeded``).
    """
    most = longest.most() + 1
    line = bytearray()
    for number, block in enumerate(unix_lines(stream, _BUFFER)):
        text = block if number else block.removeprefix(codecs.BOM_UTF8)
        first, *others = text.split(b"\n")
        line += first[: most - len(line)]
        if others:
            yield bytes(line)
            yield from others[:-1] if most > len(text) else (one[:most] for one in others[:-1])
            line = bytearray(others[-1][:most])
    if line:
        yield bytes(line)


def whole(stream: IO[bytes], path: Path) -> bytes:
    """All of a file that is one record.

    Raises:
        DataError: it is longer than a record may be.
    """
    data = stream.read(longest.most() + 1)
    if len(data) > longest.most():
        raise longest.refused(path)
    return data


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
    if zstd.is_skippable(head):
        return "zst"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def _decompressed(stream: io.BufferedReader, path: Path) -> io.BufferedReader:
    _refuse_archive(stream, path)
    kind = compression(stream.peek(6)[:6])
    openers: dict[str, Callable[[Any], Any]] = {
        "gz": lambda raw: gzip.GzipFile(fileobj=raw),
        "xz": lambda raw: concatenated.Reader(raw, lzma.LZMADecompressor, b"\xfd7zXZ\x00"),
        "bz2": lambda raw: concatenated.Reader(raw, bz2.BZ2Decompressor, b"BZh"),
        "zst": lambda raw: zstd.Reader(raw, path),
    }
    if not kind:
        return stream
    # Two buffers: the outer one is filled however little a stream gives at once, so that a look
    # at the first bytes sees them all.
    inner = io.BufferedReader(openers[kind](stream), _BUFFER)
    content: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, inner), _BUFFER)
    _refuse_archive(content, path)
    return content


def _refuse_archive(stream: io.BufferedReader, path: Path) -> None:
    """Refuse what holds other files, or is compressed in a way that is not read here.

    Raises:
        DataError: it names the kind and what unpacks it.
    """
    head = stream.peek(_BUFFER)
    kinds = [(what, do) for magic, what, do in _ARCHIVES if head.startswith(magic)]
    if head[_TAR : _TAR + len(_TAR_SIGN)] == _TAR_SIGN:
        kinds = [("a tar archive", "unpack it with tar xf")]
    for what, do in kinds:
        raise DataError(f"a file is {what}", where=str(path), why="it is not read", do=do)


def size(path: Path) -> int:
    """Bytes of a file, or of what came from a pipe."""
    with reading(path):
        return pipes.kept(path).stat().st_size


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with reading(path), pipes.kept(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def states(files: Iterable[Path]) -> list[list[Any]]:
    """Path, size and times of each file, as JSON takes them; a pipe has none.

    The time of writing is copied along with a file (rsync -a, mv, touch); that of its last change
    on this disk (ctime) cannot be given.
    """
    stats = [(path, None if pipes.is_pipe(path) else path.stat()) for path in files]
    kinds = ("st_size", "st_mtime_ns", "st_ctime_ns")
    return [
        [str(f.absolute()), *(getattr(stat, kind, None) for kind in kinds)] for f, stat in stats
    ]
