"""FASTA files, read in one pass without knowing what the letters mean."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sslkit.errors import DataError
from sslkit.files import source


@dataclass(frozen=True, slots=True)
class Entry:
    """One sequence of a file: id (the first word), the rest of its title, its letters."""

    id: str
    title: str
    letters: bytes
    number: int


def read(path: Path) -> Iterator[Entry]:
    """The sequences of a FASTA file in order; white space inside them is dropped.

    Raises:
        DataError: text before the first title line.
    """
    title: bytes | None = None
    lines: list[bytes] = []
    number = 0
    with source.open_bytes(path) as stream:
        for line in stream:
            if line.startswith(b">"):
                if title is not None:
                    yield _entry(title, lines, number)
                title, lines, number = line[1:], [], number + 1
            elif stripped := line.strip():
                if title is None:
                    raise DataError(
                        "a FASTA file does not begin with a title line",
                        where=f"{path}, line 1",
                        why=f"it begins with {stripped[:40]!r}",
                        do="put a line such as >chr1 before the sequence",
                    )
                lines.append(stripped)
        if title is not None:
            yield _entry(title, lines, number)


def _entry(title: bytes, lines: list[bytes], number: int) -> Entry:
    words = title.decode("utf-8", "replace").strip()
    name, _, rest = words.partition(" ")
    letters = b"".join(lines)
    if b" " in letters or b"\t" in letters:
        letters = b"".join(letters.split())
    return Entry(name or str(number), rest.strip(), letters, number)
