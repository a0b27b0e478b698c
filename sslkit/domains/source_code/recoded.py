"""Python files of other encodings than UTF-8, for counting (PEP 263)."""

import codecs
import tokenize
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from sslkit.errors import DataError, OnError
from sslkit.vocab.scheme import SPARE, Slices
from sslkit.vocab.splitting import SplitReader

#: Bytes within which the first two lines must end, if they name an encoding.
_HEAD = 1 << 12
_ASCII = bytes(range(128)) + b"?" * 128


def utf8(data: bytes, name: str) -> bytes:
    """A Python file of any encoding in UTF-8; one in UTF-8 as it is, whether that is valid or not.

    Raises:
        DataError: bytes that are no text in the encoding that the file names.
    """
    encoding = _encoding(data, name)
    if encoding == "utf-8":
        return data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"a file is not {encoding} text",
            where=f"{name}, byte {error.start + 1}",
            why=f"{data[error.start : error.end]!r}: {error.reason}",
            do="convert it (iconv -t UTF-8), or pass such files over with --on-error skip",
        ) from error
    except UnicodeError as error:
        raise DataError(f"a file is not {encoding} text", where=name, why=str(error)) from error


def _encoding(data: bytes, name: str) -> str:
    """The encoding that the first or the second line names, as Python's own tokenizer reads it.

    Raises:
        DataError: there is none of that name.
    """
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    # Bytes beyond ASCII need not be UTF-8: the next line may name what they are.
    lines = data[:_HEAD].translate(_ASCII).splitlines(keepends=True)[:2]
    unread = iter(lines)
    try:
        encoding, _ = tokenize.detect_encoding(unread.__next__)
        # Encodings that are not of text cannot decode.
        bytes(4).decode(encoding, "ignore")
    except (SyntaxError, LookupError, ValueError) as error:
        raise DataError(
            "a file names an encoding that there is not",
            where=f"{name}, line {len(lines) - len(list(unread))}",
            why=str(error),
            do="mend the line, or pass such files over with --on-error skip",
        ) from error
    return codecs.lookup(encoding).name


class Reader:
    """Reads one Python file; implements ``scheme.Reader``.

    A file that names another encoding is held as a whole; any other passes through.

    Args:
        name: the file, for messages.
        inner: what cuts UTF-8 into tokens.
    """

    def __init__(self, name: str, inner: SplitReader, on_error: OnError) -> None:
        self._name = name
        self._inner = inner
        self._on_error = on_error
        self._held = b""
        self._passes = False

    @property
    def tally(self) -> Counter[str]:
        """What was met on the way."""
        return self._inner.tally

    @property
    def pending(self) -> int:
        """Bytes that must be fed again."""
        return self._inner.pending if self._passes else len(self._held)

    def feed(self, block: bytes) -> Slices:
        """The tokens that are whole."""
        if self._passes:
            return self._inner.feed(block)
        self._held += block
        known = len(self._held) >= _HEAD or self._held.count(b"\n") > 1
        if not known or self._other():
            return self._inner.feed(b"")
        self._passes, held, self._held = True, self._held, b""
        return self._inner.feed(held)

    def finish(self) -> Slices:
        """The last tokens, or all of them."""
        if self._passes or not self._held:
            return self._inner.finish()
        held = self._held
        if self._other():
            try:
                held = utf8(held, self._name)
            except DataError:
                if self._on_error == "stop":
                    raise
                self.tally["bad_records"] += 1
                held = b""
        return _joined(self._inner.feed(held), self._inner.finish())

    def state(self) -> dict[str, Any]:
        """For ``restore``."""
        return self._inner.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue; a file of which nothing is done is looked at anew."""
        self._inner.restore(state)
        self._passes = state["start"] > 0

    def _other(self) -> bool:
        """Whether the file must be decoded."""
        try:
            return _encoding(self._held, self._name) != "utf-8"
        except DataError:
            return True


def _joined(first: Slices, second: Slices) -> Slices:
    keep = len(first.buffer) - SPARE
    return Slices(
        np.concatenate([first.buffer[:keep], second.buffer]),
        np.concatenate([first.starts, second.starts + keep]),
        np.concatenate([first.lengths, second.lengths]),
    )
