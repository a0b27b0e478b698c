"""Source code as parts of identifiers, operators and classes of literals.

Every string is the token ``"`` and every number the token ``0``; comments are left out. Python is
read by its own rules of strings, comments and operators; other languages by those of the family
that the file's ending tells. Identifiers are read in parts: ``read_HTTPError2`` is ``read``,
``_HTTP``, ``Error``, ``2``; with ``split`` words they stand as they are, and operators are those
of any language. A vocabulary says by which of both it was counted.

In Python, a token has a class that the syntax tree tells (nothing is ever executed): annotation,
definition, call, import, argument, attribute, keyword; a name is otherwise a ``name``, and the
rest is operator, number or string, which is all that is known of other languages and of Python
that does not parse (Python 2, say). Losses weigh tokens by their classes.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslkit.contracts.spec import Floats
from sslkit.domains.language.encoders import encoder_of
from sslkit.domains.language.numbered import NOTHING, Numbered, reason
from sslkit.domains.source_code import lexical, python, recoded
from sslkit.domains.source_code.python import CLASSES, NUMBER
from sslkit.domains.source_code.sources import KINDS, MEANING, Documents, Sources
from sslkit.errors import DataError, OnError
from sslkit.files import longest, sequences, source, table
from sslkit.types import Array, Arrays, Draws, Record, Vocabulary
from sslkit.vocab.scheme import Reader, Slices, Strings
from sslkit.vocab.splitting import SplitReader

VERSION = 2
GIVES = frozenset({"tokens", "view", "token_weight"})
ENDINGS = lexical.ENDINGS
#: Tokens may be cut into the pieces of a vocabulary, each of the class of its token.
PIECES = True
#: What a file's name tells of its language.
language = lexical.language
# Names that a view gives other names, and columns of draws for them.
_RENAMED = [NUMBER[name] for name in ("name", "definition", "argument", "call")]
_DRAWS = 1024


@dataclass(frozen=True)
class Settings:
    """Options of the code domain."""

    split: lexical.Split = field(
        default="parts",
        metadata={"help": "identifiers in parts (snake_case, camelCase, digits), or as words"},
    )
    documents: Documents = field(
        default="file",
        metadata={"help": "a document is a file, or in Python a function or method, or a class"},
    )
    annotation_weight: float = field(
        default=1.0, metadata={"help": "weight in the loss of tokens in type annotations"}
    )
    weights: str = field(
        default="",
        metadata={"help": f"weights of other classes, as string=0.5,call=2: {', '.join(CLASSES)}"},
    )

    def __post_init__(self) -> None:
        if not max(self.by_class):
            raise ValueError("some class of tokens has a weight above 0")

    @property
    def by_class(self) -> tuple[float, ...]:
        """The weight of each of CLASSES."""
        found = {"annotation": _weight("annotation_weight", str(self.annotation_weight))}
        for one in filter(None, self.weights.split(",")):
            name, _, value = map(str.strip, one.partition("="))
            if name not in CLASSES:
                raise ValueError(f"weights: there is no class {name!r}, but {', '.join(CLASSES)}")
            if name in found and (name, self.annotation_weight) != ("annotation", 1.0):
                raise ValueError(f"the weight of {name} is given twice")
            found[name] = _weight(f"weights: {name}", value)
        return tuple(found.get(name, 1.0) for name in CLASSES)


def _is_name(token: str, spelled: bool) -> bool:
    """Whether a token could be a name of its own."""
    return token.isidentifier() and (token.isascii() or not spelled)


def _weight(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is a number from 0 on, not {text!r}")
    return value


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted: without trees, so whether files parse or not."""

    def reader(name: str, skip: Collection[int]) -> Reader[Slices]:
        del skip  # code has no records
        language = lexical.language(name)
        rule = partial(lexical.tokens, language=language, split=settings.split)
        made = SplitReader(name, rule, on_error)
        # The cells of a table are text already, whatever encoding one of them names.
        is_table = source.plain_name(Path(name)).lower().endswith(table.ENDINGS)
        if language == "python" and not is_table:
            return recoded.Reader(name, made, on_error)
        return made

    # A comment or a string may reach over any line end.
    return Strings(reader, divide=b"")


def problem(path: Path) -> str:
    """Why a file is no Python that parses; empty where it does."""
    name = source.plain_name(path)
    with source.open_bytes(path) as stream:
        data = source.whole(stream, path)
    try:
        python.parse(recoded.utf8(data, name).decode())
    except (DataError, ValueError) as error:
        return str(error)
    return ""


class Domain(Numbered):
    """Source code; implements ``contracts.domain.TokenDomain``."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        weight = Floats(("length",))
        super().__init__(settings, vocabulary, MEANING, "token", token_weight=weight)
        self.settings = settings
        tokens = [] if vocabulary is None else vocabulary.tokens
        encoder = encoder_of(vocabulary, int(MEANING) + 1)
        self._sources = Sources(settings.split, settings.documents, encoder)
        self._weights = np.array(settings.by_class, np.float32)
        spelled = vocabulary is not None and vocabulary.spelling is not None
        words = [n for n, token in enumerate(tokens) if _is_name(token, spelled)]
        self._words = np.array(words, np.int64)

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The documents of a source file, or of a table with one in each row.

        A file without a token, as many packages begin with, has none.

        Raises:
            DataError: bytes that are no text, with ``stop``; see ``_sources``.
        """
        name = source.plain_name(path)
        with source.open_bytes(path) as stream:
            if table.starts(stream, path, ENDINGS):
                rows = table.parse(stream, path, on_error=on_error)
                yield from sequences.of_rows(rows, path, self.record, on_error)
                return
            data = stream.read(longest.most() + 1)
        try:
            if len(data) > longest.most():
                raise DataError(longest.problem())
            found = self._sources.documents(data, name, on_error)
        except DataError as error:
            bad = Record(name, NOTHING, str(path), 1, error=reason(error))
            if on_error == "stop":
                raise sequences.bad_record(bad) from error
            yield bad
            return
        for number, (part, units) in enumerate(found, 1):
            yield Record(name + part, units, str(path), number)

    def _whole(self, raw: bytes) -> npt.NDArray[np.uint32]:
        return self._sources.units(raw)

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """Token ids and lengths of units [rows, tokens], with weights where classes differ in them.

        A view is the same code with other names: all parts of names that it defines are replaced,
        the same by the same throughout a row.
        """
        known = self.tokens
        inside = np.arange(units.shape[1]) < lengths[:, None]
        ids = (units & MEANING).astype(np.int64)
        tokens = np.where(inside, np.where(ids < known.size, ids, known.unknown), known.pad)
        made: Arrays = {"tokens": tokens, "length": lengths.astype(np.int64)}
        if (self._weights != 1).any():
            made["token_weight"] = self._weights[units >> KINDS]
        if draws is not None and "view" in needs:
            made["view.tokens"] = self._renamed(tokens, (units >> KINDS) * inside, draws)
            made["view.length"] = made["length"]
        return made

    def _renamed(self, tokens: Array, kinds: Array, draws: Draws) -> Array:
        chance = draws.uniform("rename", _DRAWS)
        if not len(self._words):
            return tokens
        keys = tokens + np.arange(len(tokens))[:, None] * self.tokens.total
        defined = np.unique(keys[kinds == NUMBER["definition"]])
        chosen = np.isin(kinds, _RENAMED) & np.isin(keys, defined)
        row, column = np.nonzero(chosen)
        drawn = chance[row, tokens[row, column] % _DRAWS]
        view = tokens.copy()
        view[row, column] = self._words[(drawn * len(self._words)).astype(np.int64)]
        return view
