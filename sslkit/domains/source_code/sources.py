"""Source files as documents of numbered tokens, or pieces of tokens, with their classes.

The topmost four bits of a unit (see ``language.encoders``) are the class of the token.
"""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.domains.language.documents import LONGEST
from sslkit.domains.language.encoders import Encoder, Units
from sslkit.domains.source_code import lexical, python, recoded
from sslkit.errors import DataError, OnError
from sslkit.files import source
from sslkit.vocab.splitting import Rule, SplitReader

Documents: TypeAlias = Literal["file", "function", "class"]

#: How far the class stands from the right, and the bits of the rest.
KINDS = np.uint32(28)
MEANING = np.uint32((1 << 28) - 1)
_BLOCK = 1 << 20
_UNPARSED = ".pyx"


class Sources:
    """Reads source code.

    Args:
        split: how identifiers are cut.
        documents: what ends one.
        encoder: makes units of tokens.
    """

    def __init__(self, split: lexical.Split, documents: Documents, encoder: Encoder) -> None:
        self._split = split
        self._kind = documents
        self._encoder = encoder

    def units(self, data: bytes) -> Units:
        """The tokens of a piece of Python in UTF-8; without a tree where it does not parse.

        Raises:
            DataError: it is no text.
        """
        try:
            module = python.parse(data.decode())
        except ValueError:
            module = None
        return self._read(data, SplitReader("it", self._rule("a.py"), "stop"), module)[0]

    def documents(self, data: bytes, name: str, on_error: OnError) -> list[tuple[str, Units]]:
        """What is added to the name of the file, and the units, of each document that has any.

        With ``skip``, bytes that are no text separate tokens, as where they are counted. Python
        that does not parse, such as Python 2, is read as other languages are.

        Raises:
            DataError: what is no text; no Python, or Python that does not parse, where its
                functions are asked for.
        """
        ending = Path(source.plain_name(Path(name))).suffix.lower()
        is_python = lexical.language(name) == "python"
        if is_python:
            data = recoded.utf8(data, name)
        module = None
        if self._kind != "file" and (not is_python or ending == _UNPARSED):
            raise DataError(
                f"documents={self._kind} is for Python", why=f"{ending or 'this'} has no tree"
            )
        if is_python and ending != _UNPARSED:
            try:
                module = python.parse(data.decode())
            except ValueError as error:
                if self._kind != "file":
                    raise DataError(str(error)) from error
        reader = SplitReader(name, self._rule(name), on_error)
        units, places = self._read(data, reader, module)
        if module is None or self._kind == "file":
            return _whole(units)
        found = []
        for one in module.functions if self._kind == "function" else module.classes:
            begin, end = np.searchsorted(places, [one.start, one.end])
            found.append((f":{one.line}:{one.name}", units[begin:end]))
        return found

    def _rule(self, name: str) -> Rule:
        return partial(lexical.tokens, language=lexical.language(name), split=self._split)

    def _read(
        self, data: bytes, reader: SplitReader, module: python.Module | None
    ) -> tuple[Units, npt.NDArray[np.int64]]:
        """Units, and the first byte of the token of each; a tree, too, says the classes."""
        units, places = [], []
        painted = None if module is None else np.frombuffer(module.painted, np.uint8)
        done = 0
        for block in [*_blocks(data), b""]:
            base = done - reader.pending
            words = reader.feed(block) if block else reader.finish()
            done += len(block)
            kinds = python.lexical(words, painted is not None)
            if painted is not None:
                kinds = python.classes(kinds, painted[base + words.starts])
            tokens, bounds = self._encoder.units(words)
            sizes = np.diff(bounds)
            units.append(tokens | np.repeat(kinds.astype(np.uint32) << KINDS, sizes))
            places.append(np.repeat(base + words.starts, sizes))
        return np.concatenate(units), np.concatenate(places)


def _blocks(data: bytes) -> Iterator[bytes]:
    stream = io.BytesIO(data)
    while block := stream.read(_BLOCK):
        yield block


def _whole(units: Units) -> list[tuple[str, Units]]:
    """A file as a document, or as several where it is too long for one."""
    starts = range(0, len(units), LONGEST)
    return [(f":{at // LONGEST + 1}" if at else "", units[at : at + LONGEST]) for at in starts]
