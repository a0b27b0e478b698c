"""Text in blocks: whole tokens only, valid UTF-8 only, however the blocks are cut."""

import codecs
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.errors import DataError, OnError
from sslkit.vocab.scheme import SPARE, Octets, Slices

Index: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

#: Longest token, in bytes. What is longer is no word of any vocabulary.
LONGEST = 1 << 16
_BOM = b"\xef\xbb\xbf"
_ZEROS = "sslkit.zeros"


def _zeros(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\0" * (error.end - error.start), error.end


codecs.register_error(_ZEROS, _zeros)


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where tokens stand in a buffer.

    Attributes:
        starts: first bytes, ascending.
        ends: the bytes behind the last ones.
        sure: tokens that begin before this byte are whole whatever comes behind the buffer.
        within: what ``sure`` stands in the middle of (a comment, a column), in the rule's words.
    """

    starts: Index
    ends: Index
    sure: int
    within: str = ""


#: A domain's rule: from bytes to tokens. The flag says that nothing comes behind them; the text
#: is what they begin within, as the call before said. ``sure`` lags behind the end by no more than
#: a token, so that lines, comments and literals of any length pass through.
Rule: TypeAlias = Callable[[Octets, bool, str], Cuts]


class SplitReader:
    """Cuts one file into tokens by a rule; implements ``scheme.Reader``.

    Args:
        name: the file, for messages.
        rule: sees valid UTF-8 only, and no token in two pieces.
        on_error: bytes 0 or that are no UTF-8, and tokens longer than LONGEST, stop the run, or
            separate tokens and are counted.
    """

    def __init__(self, name: str, rule: Rule, on_error: OnError) -> None:
        self._name = name
        self._rule = rule
        self._on_error = on_error
        self._rest = b""
        self._within = ""
        self._start = 0  # place of the rest in the file
        self._cut = 0  # bytes cut out of the rest
        self._fed = 0
        self.tally: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Bytes of a token, or of a character, that the block did not finish."""
        return self._fed - self._start

    def feed(self, block: bytes) -> Slices:
        """The tokens that are whole."""
        self._fed += len(block)
        return self._split(self._rest + block, final=False)

    def finish(self) -> Slices:
        """The last token."""
        return self._split(self._rest, final=True)

    def state(self) -> dict[str, Any]:
        """For ``restore``."""
        return {"start": self._start, "within": self._within, "tally": dict(self.tally)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue; the pending bytes are fed again."""
        self._start = self._fed = state["start"]
        self._within = state["within"]
        self.tally = Counter(state["tally"])

    def _split(self, data: bytes, *, final: bool) -> Slices:
        has_zeros = self._has_zeros(data)
        mark = len(_BOM) if self._start == 0 and data.startswith(_BOM) else 0
        valid = self._valid(bytes(mark) + data[mark:] if mark else data, final)
        buffer = np.zeros(len(valid) + SPARE, np.uint8)
        buffer[: len(valid)] = np.frombuffer(valid, np.uint8)
        cuts = self._rule(buffer[: len(valid)], final, self._within)
        sure, self._within = (len(valid), "") if final else (cuts.sure, cuts.within)
        # What stays in the rest is looked at again, and counted then.
        if (valid is not data or has_zeros) and (zeros := valid.count(0, mark, sure)):
            self.tally["invalid_bytes"] += zeros
        whole = int(np.searchsorted(cuts.starts, sure))
        starts = cuts.starts[:whole]
        lengths = cuts.ends[:whole] - starts
        if len(lengths) and lengths.max() > LONGEST:
            long = lengths > LONGEST
            self._too_long(self._start + int(starts[long][0]), int(long.sum()))
            starts, lengths = starts[~long], lengths[~long]
        self._keep(data[sure : len(valid)], data[len(valid) :], sure)
        return Slices(buffer, starts, lengths)

    def _has_zeros(self, data: bytes) -> bool:
        at = data.find(0)
        # Where an earlier byte is none of UTF-8, that one is named.
        if at >= 0 and self._on_error == "stop" and self._valid(data[:at], True) is not None:
            raise DataError(
                "a file is not text",
                where=f"{self._name}, byte {self._start + self._cut + at + 1}",
                why="there is a byte 0",
                do="convert it (iconv -t UTF-8), or pass such bytes over with --on-error skip",
            )
        return at >= 0

    def _keep(self, rest: bytes, tail: bytes, done: int) -> None:
        """Remember what is not finished; of a token that is too long only so much as tells it."""
        if done:
            self._start += done + self._cut
            self._cut = 0
        if len(rest) > 2 * LONGEST:
            if self._on_error == "stop":
                self._too_long(self._start, 1)
            stub = LONGEST + 4
            while rest[stub] & 0xC0 == 0x80:  # not inside a character
                stub -= 1
            self._cut += len(rest) - stub
            rest = rest[:stub]
        self._rest = rest + tail

    def _valid(self, data: bytes, final: bool) -> bytes:
        """Data as valid UTF-8, without the beginning of a character at its end.

        Bytes that are no UTF-8 become 0, which is part of no token.
        """
        if data.isascii():
            return data
        try:
            return data[: codecs.utf_8_decode(data, "strict", final)[1]]
        except UnicodeDecodeError as error:
            if self._on_error == "skip":
                return codecs.utf_8_decode(data, _ZEROS, final)[0].encode()
            first = error.start
            raise DataError(
                "a file is not UTF-8 text",
                where=f"{self._name}, byte {self._start + self._cut + first + 1}",
                why=f"{data[first : error.end]!r}: {error.reason}",
                do="convert it (iconv -t UTF-8), or pass such bytes over with --on-error skip",
            ) from error

    def _too_long(self, at: int, count: int) -> None:
        if self._on_error == "stop":
            raise DataError(
                f"a token is longer than {LONGEST} bytes",
                where=f"{self._name}, byte {at + 1}",
                why="it is no word of a text; the file may be of another kind",
                do="name the kind with --domain, or pass such tokens over with --on-error skip",
            )
        self.tally["too_long_tokens"] += count


def stretches(inside: npt.NDArray[np.bool_], final: bool) -> Cuts:
    """Tokens are the longest stretches of bytes that are inside."""
    padded = np.zeros(len(inside) + 2, np.bool_)
    padded[1:-1] = inside
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    starts, ends = edges[::2], edges[1::2]
    open_end = len(ends) and ends[-1] == len(inside) and not final
    return Cuts(starts, ends, int(starts[-1]) if open_end else len(inside))
