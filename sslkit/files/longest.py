"""How long a record may be that is held in memory whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sslkit.errors import DataError
from sslkit.machine import sizes

#: Bytes of the longest record where nothing else is asked for.
DEFAULT = 1 << 29
_most = [DEFAULT]


def most() -> int:
    """Bytes of the longest record."""
    return _most[-1]


def is_exceeded(size: int) -> bool:
    """Whether so many bytes are more than a record may have."""
    return size > _most[-1]


def stated() -> dict[str, int]:
    """What a manifest says of it, where it is not the default."""
    return {} if most() == DEFAULT else {"max_record": most()}


@contextmanager
def allowing(size: int) -> Iterator[None]:
    """Hold records of so many bytes while the block runs."""
    _most.append(size)
    try:
        yield
    finally:
        _most.pop()


def problem(what: str = "it") -> str:
    """What is wrong with a record that is longer."""
    return f"{what} is longer than {sizes.show(most())}, the most that --max-record lets be held"


def refused(path: Path, where: str = "") -> DataError:
    """The error for a file in which something is longer."""
    return DataError(
        "a record is too long to be held in memory",
        where=f"{path}{where}",
        why=problem(),
        do="raise --max-record where there is memory for it, or divide the record",
    )
