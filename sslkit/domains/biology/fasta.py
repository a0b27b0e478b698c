"""FASTA for counting: blocks of any size in, letter codes out, memory bounded by the block.

``files.fasta`` gives whole records; a chromosome or a line may be larger than the budget of a
count, so here a record is never held, only how long it is and what it is called.
"""

import codecs
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.domains.biology.alike import Alike, Watch
from sslkit.errors import DataError, EmptyFileError
from sslkit.files import fasta, kmers
from sslkit.vocab.scheme import BREAK, Codes

#: What a table of 256 codes gives for bytes that are no letter of the alphabet.
INVALID = 5
_TITLE_BYTES = 256
_BLANKS = b"\n \t\v\f"
#: Stands between records until it is a BREAK, which ambiguous letters are too.
_NEXT = 6


class Scanner:
    """Reads one FASTA file; implements ``vocab.scheme.Reader``.

    Args:
        name: the file, for messages.
        codes: the code of each byte, 256 of them; BREAK for ambiguous letters, else INVALID.
        width: letters per token; the tally has how many windows of them there are.
        skip: numbers of records to pass over, counted from 1.
        meaning: what the letters are, as in "not a letter of DNA or RNA".
        bad: where given, numbers of bad records are put here instead of stopping.
        gaps: letters that stand for nothing, which are left out.
        alike: what makes a record of these letters bad.
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
        gaps: bytes = b"",
        alike: Alike | None = None,
    ) -> None:
        self._name = name
        self._dropped = _BLANKS + gaps
        self._codes = codes[: ord(">")] + bytes([_NEXT]) + codes[ord(">") + 1 :]
        self._width = width
        self._meaning = meaning
        self._skip = skip
        self._bad = bad
        self._title = b""
        self._in_title = False
        self._line_start = True
        self._length = 0
        self._records = 0
        self._has_zeros = False
        self._watch = None if alike is None else Watch(alike, self._dropped)
        self.tally: Counter[str] = Counter()

    def feed(self, block: bytes) -> Codes:
        """The codes of a block of the file."""
        if not block:
            return np.empty(0, np.uint8)
        if not self._records:
            block = block.removeprefix(codecs.BOM_UTF8)
        self._has_zeros = self._has_zeros or b"\0" in block
        if b"\r" in block:
            block = block.replace(b"\r", b"\n")
        pieces = block.split(b"\n>") if b">" in block else [block]
        if self._in_title:
            title, found, text = pieces[0].partition(b"\n")
            self._title = _shortened(self._title + title)
            self._in_title = not found and len(pieces) == 1
        elif self._line_start and pieces[0][:1] == b">":
            text, pieces = b"", [b"", pieces[0][1:], *pieces[1:]]
        else:
            text = pieces[0]
        self._line_start = block.endswith(b"\n")
        parts = [piece.partition(b"\n") for piece in pieces[1:]]
        codes = self._read([text, *(part[2] for part in parts)], [part[0] for part in parts])
        if parts:
            self._in_title = not parts[-1][1]
            self._title = _shortened(parts[-1][0])
        return codes

    def finish(self) -> Codes:
        """Nothing; checks that the last record is whole."""
        if not self._records:
            raise EmptyFileError(
                "a file holds no sequence", where=self._name, why="it is empty", do="leave it out"
            )
        problem = "" if self._watch is None else self._watch.problem
        problems = {0: problem} if problem and self._records not in self._skip else {}
        self._end(np.array([self._length]), [self._title], problems)
        return np.empty(0, np.uint8)

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
            "watch": None if self._watch is None else self._watch.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue in the middle of the file."""
        self._title = state["title"].encode("latin-1")
        self._in_title, self._line_start = state["in_title"], state["line_start"]
        self._length, self._records = state["length"], state["records"]
        self._has_zeros = b"\0" in self._title
        if self._watch is not None:
            self._watch.restore(state["watch"])
        self.tally = Counter(state["tally"])

    def _read(self, texts: list[bytes], titles: list[bytes]) -> Codes:
        """Codes of what comes of a record, and of the records that begin behind it."""
        joined = b">".join(texts)
        if joined.count(b">") != len(titles):
            joined = b">".join(text.replace(b">", b"\0") for text in texts)
        codes = np.frombuffer(joined.translate(self._codes, self._dropped), np.uint8)
        borders = np.flatnonzero(codes == _NEXT) if titles else np.empty(0, np.int64)
        starts = np.concatenate(([0], borders + 1))
        lengths = np.diff(starts, append=len(codes) + 1) - 1
        if not self._records and lengths[0]:
            raise DataError(
                "a FASTA file does not begin with a title line",
                where=self._name,
                why=f"it begins with {texts[0].strip()[:40]!r}",
                do="put a line such as >chr1 before the sequence, or leave the file out",
            )
        if titles:
            codes = codes.copy()
            codes[borders] = BREAK
        skipped = [n for n in range(len(texts)) if self._skip and self._records + n in self._skip]
        problems = self._invalid(codes, starts, texts, skipped)
        others = _kmers(texts) if b" " in joined and b" " in joined.replace(b"> ", b">")[1:] else {}
        others |= {} if self._watch is None else self._watch.add(texts, codes, starts)
        problems |= {n: why for n, why in others.items() if n not in skipped}
        lengths[0] += self._length
        self._length = int(lengths[-1])
        self._end(lengths[:-1], [self._title, *titles], problems)
        self._records += len(titles)
        for number in reversed(skipped):
            end = starts[number + 1] - 1 if number + 1 < len(starts) else len(codes)
            codes = np.delete(codes, slice(starts[number], end))
        return codes

    def _invalid(
        self, codes: Codes, starts: npt.NDArray[np.int64], texts: list[bytes], skipped: list[int]
    ) -> dict[int, str]:
        """What is wrong with the letters of each text, but of those that are skipped."""
        places = np.flatnonzero(codes == INVALID)
        found, first = np.unique(np.searchsorted(starts, places, "right") - 1, return_index=True)
        problems = {}
        for number, at in zip(found.tolist(), first.tolist(), strict=True):
            place = int(places[at] - starts[number])
            letter = chr(texts[number].translate(None, self._dropped)[place])
            before = 0 if number else self._length
            problems[number] = (
                f"{letter!r} at letter {before + place + 1} is not a letter of {self._meaning}"
            )
        return {number: why for number, why in problems.items() if number not in skipped}

    def _end(
        self,
        lengths: npt.NDArray[np.int64],
        titles: list[bytes],
        problems: Mapping[int, str],
    ) -> None:
        """Tally records that are whole, the first of them the one that was being read.

        Args:
            lengths: of the records.
            titles: of them, and perhaps of one that is not whole yet.
            problems: of them by their places among the titles.
        """
        wrong = dict(problems)
        whole = np.ones(len(lengths), np.bool_)
        if not self._records:
            whole[:1] = False
        for number in range(len(lengths)) if self._skip else ():
            if whole[number] and self._records + number in self._skip:
                whole[number] = False
                self.tally["bad_records"] += 1
        for number in np.flatnonzero(whole & (lengths == 0)).tolist():
            wrong[number] = "the sequence is empty"
        for number in np.flatnonzero(whole).tolist() if self._has_zeros else ():
            if problem := fasta.title_problem(titles[number]):
                wrong[number] = problem
        for number in sorted(wrong):
            some_good = self.tally["records"] > 0 or bool(whole[:number].any())
            self._problem(self._records + number, titles[number], wrong[number], some_good)
        kept = lengths[whole]
        self.tally["records"] += len(kept)
        self.tally["letters"] += int(kept.sum())
        self.tally["windows"] += int(np.maximum(kept - self._width + 1, 0).sum())

    def _problem(self, number: int, title: bytes, why: str, some_good: bool) -> None:
        if self._bad is not None:
            self._bad.add(number)
            return
        name, _ = fasta.named(title[:_TITLE_BYTES], number)
        raise DataError(
            "a sequence cannot be used",
            where=f"{self._name}, record {number} ({name})",
            why=why,
            do="mend the file, or pass such records over with --on-error skip"
            if some_good
            else "mend the record, or look whether the file is what --domain says",
        )


def _kmers(texts: list[bytes]) -> dict[int, str]:
    """What is wrong with texts that are overlapping k-mers, by their places."""
    found = {}
    for number, text in enumerate(texts):
        # What was turned into FASTA begins with a blank.
        if text.find(b" ", 1) < 0:
            continue
        if problem := kmers.problem_of_text(text):
            found[number] = problem
    return found


def _shortened(title: bytes) -> bytes:
    """The beginning of a title, in which a byte 0 stays to be seen."""
    head, rest = title[:_TITLE_BYTES], title[_TITLE_BYTES:]
    return head[:-1] + b"\0" if b"\0" in rest else head
