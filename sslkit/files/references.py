"""A reference: a FASTA file whose stretches are read by the name of their sequence.

Its index has the format of ``samtools faidx`` and stands in the file beside it with the ending
``.fai``. An index of another file, or of this one as it was before, tells stretches of other
sequences, whatever the times of the two files say: one that does not fit what the file holds is
left alone, and another one is made in memory.
"""

import io
import mmap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import pyfaidx

from sslkit.errors import DataError, ResourceError, UsageError
from sslkit.files import atomic, faidx, pipes, scratch, source
from sslkit.files.faidx import Index

_COMPLEMENTS = bytes.maketrans(
    b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv", b"TGCAANYRSWMKVHDBtgcaanyrswmkvhdb"
)


class Reference:
    """Sequences by name; ``names`` are in the order of the file.

    Args:
        path: a FASTA file that is not compressed.
        index: of it.
        folder: for temporary files.
    """

    def __init__(self, path: Path, index: Index, folder: Path) -> None:
        self._index = index
        self.names = tuple(index)
        self._number = {name: str(number) for number, name in enumerate(self.names)}
        # pyfaidx takes what it is given, by numbers: names may be of any letters.
        beside = folder / "checked.fai"
        numbered = {self._number[name]: entry for name, entry in index.items()}
        beside.write_text(faidx.text(numbered), "utf-8")
        # It takes a name that ends in .gz for a compressed file.
        plain = folder / "plain.fa"
        plain.symlink_to(path.absolute())
        self._faidx = pyfaidx.Faidx(str(plain), str(beside), build_index=False, rebuild=False)

    def close(self) -> None:
        """Close the file."""
        self._faidx.close()

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def length(self, name: str) -> int:
        """Letters of a sequence."""
        return self._index[name].length

    def letters(self, name: str, start: int, end: int, reverse: bool = False) -> bytes:
        """The letters from ``start`` to before ``end``; ``reverse`` is their reverse complement."""
        if start >= end:
            return b""
        try:
            text: str = self._faidx.from_file(self._number[name], start + 1, end)
        except UnicodeDecodeError:
            # No letter of any sequence; what reads them says so.
            return b"?" * (end - start)
        letters = text.encode()
        return letters.translate(_COMPLEMENTS)[::-1] if reverse else letters


@contextmanager
def opened(path: Path) -> Iterator[Reference]:
    """A FASTA file for reading parts of it; a compressed one is decompressed to scratch.

    An index is written beside it where there is none. Jobs that start together may each do so:
    every one moves a whole file into place.

    Raises:
        UsageError: there is no such file.
        DataError: lines of uneven length, sequences of one name, no FASTA.
        ResourceError: no room in scratch for a decompressed reference.
    """
    if not path.is_file() and not pipes.is_pipe(path):
        raise UsageError(f"there is no reference {path}")
    with ExitStack() as stack:
        with source.reading(path):
            folder = stack.enter_context(scratch.folder())
            plain = _decompressed(path, folder)
            index, _ = _index(plain, path, _stamps(plain))
        if plain == path and not _index_path(path).exists():
            _write(_index_path(path), index)
        reference = Reference(plain, index, folder)
        stack.callback(reference.close)
        yield reference


def remark(path: Path) -> str:
    """What is to be said of the index beside a reference: that it is of another file; or nothing.

    Raises:
        DataError: the reference cannot be read, or not be indexed.
    """
    beside = _index_path(path)
    if not path.is_file() or not beside.is_file():
        return ""
    with source.open_bytes(path) as stream:
        is_plain = isinstance(stream.raw, io.FileIO)
    with source.reading(path):
        if not is_plain or _index(path, path, _stamps(path))[1]:
            return ""
    advice = f"make it again (samtools faidx {path}) or remove it"
    return f"{beside} is not the index of {path} and is not used: {advice}"


def _stamps(path: Path) -> tuple[int, ...]:
    """Other ones if a file or its index has changed since, as this process knows them."""
    found = [one.stat() for one in (path, _index_path(path)) if one.exists()]
    return tuple(at for one in found for at in (one.st_ino, one.st_size, one.st_ctime_ns))


@lru_cache(maxsize=1)
def _index(path: Path, named: Path, stamps: tuple[int, ...]) -> tuple[Index, bool]:
    """The index of a file that errors call ``named``; whether it is the one beside it.

    Kept for the next reading by this process, as long as the files have these stamps.
    """
    del stamps
    with _mapped(path) as data:
        index = _beside(path, data)
        return (faidx.build(data, named), False) if index is None else (index, True)


def _index_path(path: Path) -> Path:
    return path.with_name(path.name + ".fai")


def _decompressed(path: Path, folder: Path) -> Path:
    with source.open_bytes(path) as stream:
        if isinstance(stream.raw, io.FileIO):
            return pipes.kept(path)
        plain = folder / "reference.fa"
        scratch.keep(stream, plain)
        return plain


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as stream:
        if not path.stat().st_size:
            raise DataError("a file is empty", where=str(path), do="name another --reference")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def _write(beside: Path, index: Index) -> None:
    if atomic.is_protected(beside.parent):
        return
    try:
        with atomic.replacing(beside) as temporary:
            temporary.write_text(faidx.text(index), "utf-8")
    except ResourceError:
        # The folder cannot be written: the index serves this run only.
        return


def _beside(path: Path, data: mmap.mmap) -> Index | None:
    """The index beside a file, where there is one and it is of this file."""
    try:
        index = faidx.parse(_index_path(path).read_bytes())
    except OSError:
        return None
    return index if index is not None and faidx.fits(data, index) else None
