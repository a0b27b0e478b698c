"""FASTA for counting: blocks of any size in, letter codes out, memory bounded by the block.

``files.fasta`` gives whole records; a chromosome or a line may be larger than the budget of a
count, so here a record is never held, only how long it is and what it is called.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sslkit.errors import DataError
from sslkit.vocab.scheme import BREAK, Codes

#: What a table of 256 codes gives for bytes that are no letter of the alphabet.
INVALID = 5
_TITLE_BYTES = 256
_BORDER = np.full(1, BREAK, np.uint8)


class Scanner:
    """Reads one FASTA file; implements ``vocab.scheme.Reader``.

    Args:
        name: the file, for messages.
        codes: the code of each byte, 256 of them; BREAK for ambiguous letters, else INVALID.
        width: letters per token; the tally has how many windows of them there are.
        skip: numbers of records to pass over, counted from 1.
        meaning: what the letters are, as in "not a letter of DNA or RNA".
        bad: where given, numbers of bad records are put here instead of stopping.
    """

    def __init__(
        self,
        name: str,
        codes: bytes,
        width: int,
        meaning: str,
        *,
        skip: Collection[int] = (),
        bad: set[int] | None = None,
    ) -> None:
        self._name = name
        self._codes = codes
        self._width = width
        self._meaning = meaning
        self._skip = skip
        self._bad = bad
        self._title = b""
        self._in_title = False
        self._line_start = True
        self._length = 0
        self._records = 0
        self.tally: Counter[str] = Counter()

    def feed(self, block: bytes) -> Codes:
        """The codes of a block of the file."""
        if b"\r" in block:
            block = block.replace(b"\r", b"\n")
        parts: list[Codes] = []
        at = 0
        while at < len(block):
            if self._in_title:
                at = self._read_title(block, at)
            elif self._line_start and block[at : at + 1] == b">":
                self._end_record()
                parts.append(_BORDER)
                self._records += 1
                self._title, self._in_title, self._length = b"", True, 0
                at += 1
            else:
                found = block.find(b"\n>", at)
                end = len(block) if found < 0 else found + 1
                parts.append(self._sequence(block[at:end]))
                self._line_start = block[end - 1] == 10
                at = end
        return np.concatenate(parts) if parts else _BORDER[:0]

    def finish(self) -> Codes:
        """Nothing; checks that the last record is whole."""
        if not self._records:
            raise DataError(
                "a file holds no sequence", where=self._name, why="it is empty", do="leave it out"
            )
        self._end_record()
        return _BORDER[:0]

    @property
    def pending(self) -> int:
        """Nothing waits for the next block."""
        return 0

    def state(self) -> dict[str, Any]:
        """For ``restore``."""
        return {
            "title": self._title.decode("latin-1"),
            "in_title": self._in_title,
            "line_start": self._line_start,
            "length": self._length,
            "records": self._records,
            "tally": dict(self.tally),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue in the middle of the file."""
        self._title = state["title"].encode("latin-1")
        self._in_title, self._line_start = state["in_title"], state["line_start"]
        self._length, self._records = state["length"], state["records"]
        self.tally = Counter(state["tally"])

    @property
    def title(self) -> str:
        """The first word of the record that is being read."""
        words = self._title.decode("utf-8", "replace").split()
        return words[0] if words else str(self._records)

    def _read_title(self, block: bytes, at: int) -> int:
        end = block.find(b"\n", at)
        stop = len(block) if end < 0 else end
        if len(self._title) < _TITLE_BYTES:
            self._title += block[at : min(stop, at + _TITLE_BYTES)]
        if end < 0:
            return stop
        self._in_title, self._line_start = False, True
        return end + 1

    def _sequence(self, text: bytes) -> Codes:
        codes = np.frombuffer(text.translate(self._codes, b"\n \t\v\f"), np.uint8)
        if not len(codes):
            return codes
        if not self._records:
            raise DataError(
                "a FASTA file does not begin with a title line",
                where=self._name,
                why=f"it begins with {text.strip()[:40]!r}",
                do="put a line such as >chr1 before the sequence, or leave the file out",
            )
        if self._records in self._skip:
            return codes[:0]
        if (codes == INVALID).any():
            letters = text.translate(None, b"\n \t\v\f")
            place = int(np.flatnonzero(codes == INVALID)[0])
            self._problem(
                f"{chr(letters[place])!r} at letter {self._length + place + 1} "
                f"is not a letter of {self._meaning}"
            )
        self._length += len(codes)
        return codes

    def _end_record(self) -> None:
        if not self._records:
            return
        if self._records in self._skip:
            self.tally["bad_records"] += 1
            return
        if not self._length:
            self._problem("the sequence is empty")
        self.tally["records"] += 1
        self.tally["letters"] += self._length
        self.tally["windows"] += max(0, self._length - self._width + 1)

    def _problem(self, why: str) -> None:
        if self._bad is not None:
            self._bad.add(self._records)
            return
        raise DataError(
            "a sequence cannot be used",
            where=f"{self._name}, record {self._records} ({self.title})",
            why=why,
            do="mend the file, or pass such records over with --on-error skip",
        )
