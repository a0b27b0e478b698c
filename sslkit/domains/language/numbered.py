"""Records as numbers of their tokens: what domains have in common whose units are such numbers.

A unit is 32 bits: the id of a token, or for one that the vocabulary does not hold a hash of it
above all ids; the uppermost bits say more about it.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.contracts.features import Features, of_sequences
from sslkit.contracts.spec import Floats, Ids
from sslkit.domains.language.tokenwise import Tokenwise
from sslkit.errors import DataError, OnError
from sslkit.files import sequences
from sslkit.types import Array, Record, Vocabulary

#: Tokens that baselines know: by their shares, and by their places.
COMPOSED, PLACED = 1024, 64
NOTHING = np.empty(0, np.uint32)


class Numbered(Tokenwise, ABC):
    """Most of ``contracts.domain.TokenDomain``.

    Args:
        settings: with ``split`` and ``documents``, which decide the units.
        meaning: the bits of a unit that are the token's number.
        token: what a token is called.
        arrays: what batches may hold besides tokens.
    """

    def __init__(
        self,
        settings: Any,
        vocabulary: Vocabulary | None,
        meaning: np.uint32,
        token: str,
        **arrays: Ids | Floats,
    ) -> None:
        tokens = [] if vocabulary is None else vocabulary.tokens
        if vocabulary is not None:
            self._spec = {"tokens": Ids(("length",), len(tokens)), **arrays}
        self._meaning = meaning
        self._token = token
        named = hashlib.sha256("\0".join(tokens).encode())
        if vocabulary is not None and (spelling := vocabulary.spelling) is not None:
            named.update(bytes(1) + str(spelling.special).encode())
            named.update(spelling.merges.tobytes() + spelling.scores.tobytes())
        self._encoding = f"{settings.split} {settings.documents} {named.hexdigest()}"

    @abstractmethod
    def _whole(self, raw: bytes) -> npt.NDArray[np.uint32]:
        """The units of a text; raises DataError."""

    @property
    def encoding(self) -> str:
        """How text is split, what a document is and the vocabulary decide the units."""
        return self._encoding

    @property
    def unit_type(self) -> np.dtype[np.uint32]:
        """Four bytes a token."""
        return np.dtype(np.uint32)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        raw = text.encode("utf-8", "surrogateescape")
        return self.check(Record(name, raw, source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        """The record with units as its payload; or it carries ``error``, or stops the run."""
        if record.error or isinstance(record.payload, np.ndarray):
            return record
        try:
            units, problem = self._whole(record.payload), ""
        except DataError as error:
            units, problem = NOTHING, reason(error)
        if not problem and not len(units):
            problem = f"it holds no {self._token}"
        found = replace(record, payload=units, error=problem)
        if problem and on_error == "stop":
            raise sequences.bad_record(found)
        return found

    def encode(self, record: Record) -> Array:
        """The units, [tokens] uint32, which reading has made."""
        found: Array = record.payload
        return found

    def signature(self, record: Record) -> bytes:
        """Equal for records of the same tokens in the same order."""
        units: Array = record.payload & self._meaning
        return units.tobytes()

    def features(self, examples: Sequence[Array]) -> Features:
        """Shares of tokens, and the token at every place of records of one length."""
        return of_sequences(examples, self._composition, self._places)

    def _composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Shares of the tokens with the lowest ids, [examples, 1024].

        Without a vocabulary a token's column is its hash (Weinberger et al. 2009).
        """
        known = COMPOSED if self._spec is None else min(self.tokens.size, COMPOSED)
        found = np.zeros((len(examples), COMPOSED), np.float32)
        for row, units in enumerate(examples):
            ids = units & self._meaning
            ids = ids % COMPOSED if self._spec is None else ids[ids < known]
            found[row] = np.bincount(ids, minlength=COMPOSED) / max(len(units), 1)
        return found

    def _places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Which of the tokens with the lowest ids stands where, [examples, 64 x tokens]."""
        ids = np.stack(examples) & self._meaning
        hot: npt.NDArray[np.float32] = (ids[..., None] == np.arange(PLACED)).astype(np.float32)
        return hot.reshape(len(ids), -1)


def reason(error: DataError) -> str:
    """What is wrong with a text, in a line."""
    return ": ".join(filter(None, [error.what, ", ".join(filter(None, [error.where, error.why]))]))
