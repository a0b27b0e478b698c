"""Records that are made of the letters of something else, as DNA among proteins, by blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit.vocab.scheme import BREAK, Codes

#: First bytes and letters of a text, which mostly tell that it is as it should be.
_FIRST, _SAMPLED = 64, 8


@dataclass(frozen=True)
class Alike:
    """What records must not be made of.

    Attributes:
        letters: in upper case.
        least: from so many on it is no chance.
        ending: may stand behind them, once.
        name: what such a record looks like.
    """

    letters: bytes
    least: int
    ending: bytes
    name: str

    @property
    def both(self) -> bytes:
        """The letters in upper and lower case."""
        return self.letters + self.letters.lower()

    def problem(self, letters: bytes) -> str:
        """What is wrong with a whole record; nothing where it is made of others, too."""
        body = letters.removesuffix(self.ending)
        if len(body) < self.least or body.translate(None, self.both):
            return ""
        return self.says(len(body))

    def says(self, count: int) -> str:
        """What is wrong with a record of so many of these letters."""
        letters = self.letters.decode()
        return f"its {count} letters are all {letters}: it looks like {self.name}"


class Watch:
    """Looks at the records of one file.

    Args:
        dropped: bytes that are no letters.
    """

    def __init__(self, alike: Alike, dropped: bytes) -> None:
        self._alike, self._dropped = alike, dropped
        self._known = alike.both + dropped
        self._is_alike = np.isin(np.arange(256), [*alike.letters, BREAK])
        # Letters of the record at hand, -1 where others were met; whether it had its ending.
        self._count, self._has_ended = 0, False

    def add(
        self, texts: Sequence[bytes], codes: Codes, starts: npt.NDArray[np.int64]
    ) -> dict[int, str]:
        """What is wrong with the records that end before the last of these texts.

        Args:
            texts: the first goes on with the record at hand, each other one begins a record.
            codes: letters of all of them in upper case, or BREAK for some, [letters].
            starts: where those of each text begin, [texts].
        """
        problems = {}
        last = len(texts) - 1
        for number in [0, *self._candidates(codes, starts[1:last]), *([last] if last else [])]:
            if number:
                self._count, self._has_ended = 0, False
            self._take(texts[number])
            if number < last and (problem := self.problem):
                problems[number] = problem
        return problems

    def _candidates(self, codes: Codes, starts: npt.NDArray[np.int64]) -> list[int]:
        """The texts but the first and the last whose first letters tell nothing."""
        if not len(starts):
            return []
        first = codes[np.minimum(starts[:, None] + np.arange(_SAMPLED), len(codes) - 1)]
        return (np.flatnonzero(self._is_alike[first].all(1)) + 1).tolist()

    @property
    def problem(self) -> str:
        """What is wrong with the record at hand, if it ends here."""
        return self._alike.says(self._count) if self._count >= self._alike.least else ""

    def state(self) -> list[int]:
        """For ``restore``."""
        return [self._count, self._has_ended]

    def restore(self, state: Sequence[int]) -> None:
        """Continue in the middle of the file."""
        self._count, self._has_ended = state[0], bool(state[1])

    def _take(self, text: bytes) -> None:
        if self._count < 0:
            return
        others = text[:_FIRST].translate(None, self._known)
        if others not in {b"", self._alike.ending}:
            self._count = -1
        elif letters := text.translate(None, self._dropped):
            body = letters.removesuffix(self._alike.ending)
            if self._has_ended or body.translate(None, self._alike.both):
                self._count = -1
            else:
                self._count += len(body)
                self._has_ended = len(body) < len(letters)
