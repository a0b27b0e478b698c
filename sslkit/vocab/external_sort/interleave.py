"""One stream of tokens in order out of a sorted stream for each kind of key."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sslkit.vocab.external_sort.columns import binary, contents
from sslkit.vocab.external_sort.keys import Bytes, Column, Counts, Kind, Words, order_words

_LONG = Bytes()


def interleave(
    streams: Sequence[tuple[Kind, Iterable[tuple[Column, Counts]]]],
) -> Iterator[tuple[Column, Counts]]:
    """Merge streams of different kinds, no token in two of them, into columns of ``Bytes``.

    Args:
        streams: kinds in order of the length of their tokens, each with its sorted chunks.
    """
    heads = [_Head(kind, iter(chunks)) for kind, chunks in streams]
    while heads := [head for head in heads if head.load()]:
        cut = min(head.last for head in heads)
        pieces = [head.take(cut) for head in heads]
        pieces = [piece for piece in pieces if len(piece[2])]
        columns = [spelled(kind, column) for kind, column, _ in pieces]
        counts = np.concatenate([counts for _, _, counts in pieces])
        if len(pieces) == 1:
            yield columns[0], counts
            continue
        # Padded to two words, a token that begins another one stands before it: its second word
        # is smaller, or equal, and then its kind comes first and the sort is stable.
        parts = [
            _two_words(kind, column, text)
            for (kind, column, _), text in zip(pieces, columns, strict=True)
        ]
        order = order_words(np.concatenate(parts, axis=1))
        yield _LONG.take(_LONG.join(columns), order), counts[order]


class _Head:
    """What is next of one stream."""

    def __init__(self, kind: Kind, chunks: Iterator[tuple[Column, Counts]]) -> None:
        self._kind = kind
        self._chunks = chunks
        self._column: Column = None
        self._counts: Counts = np.empty(0, np.int64)

    def load(self) -> bool:
        while not len(self._counts):
            found = next(self._chunks, None)
            if found is None:
                return False
            self._column, self._counts = found
        return True

    @property
    def last(self) -> bytes:
        key = self._kind.last(self._column)
        return key if isinstance(key, bytes) else _key_bytes(key)

    def take(self, cut: bytes) -> tuple[Kind, Column, Counts]:
        """Everything up to and with ``cut``."""
        key = _key_words(cut, self._kind.words) if isinstance(self._kind, Words) else cut
        end, rows = self._kind.upto(self._column, key), len(self._counts)
        taken = self._kind, self._kind.cut(self._column, 0, end), self._counts[:end]
        self._column = self._kind.cut(self._column, end, rows)
        self._counts = self._counts[end:]
        return taken


def _key_bytes(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(8) for word in words).rstrip(b"\0")


def _key_words(key: bytes, words: int) -> tuple[int, ...]:
    padded = key[: 8 * words].ljust(8 * words, b"\0")
    return tuple(int.from_bytes(padded[at : at + 8]) for at in range(0, 8 * words, 8))


def spelled(kind: Kind, column: Column) -> Column:
    """Keys as the tokens they stand for, a column of ``Bytes``."""
    if not isinstance(kind, Words):
        return column
    letters = np.ascontiguousarray(column.T).byteswap().view(np.uint8)
    used = letters != 0
    ends = np.cumsum(np.count_nonzero(used, axis=1))
    return binary(np.concatenate((np.zeros(1, np.int64), ends)), letters[used])


def _two_words(kind: Kind, column: Column, text: Column) -> npt.NDArray[np.uint64]:
    """The first 16 bytes of tokens, padded with zeros, [2, rows]."""
    if isinstance(kind, Words):
        found = np.zeros((2, column.shape[1]), np.uint64)
        found[: kind.words] = column
        return found
    offsets, letters = contents(text)
    starts = offsets[:-1] - offsets[0]
    places = np.minimum(starts[:, None] + np.arange(16), max(len(letters) - 1, 0))
    heads = letters[places]
    heads[np.arange(16) >= np.diff(offsets)[:, None]] = 0
    return np.ascontiguousarray(heads.view(">u8").astype(np.uint64).T)
