"""From tokens in order to the rows of the table: order of the vocabulary, cuts, special tokens."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sslkit.vocab.external_sort.columns import numbers
from sslkit.vocab.external_sort.interleave import spelled
from sslkit.vocab.external_sort.keys import KINDS, Column, Counts, Kind
from sslkit.vocab.external_sort.order import ByCount
from sslkit.vocab.kmers import pack
from sslkit.vocab.scheme import Kmers, Scheme

_ROWS = 1 << 17


@dataclass(frozen=True)
class Cut:
    """What is left of the tokens.

    Attributes:
        least: the smallest count that is kept.
        size: rows of the table.
        counted: how many of them were met in the corpus.
        tokens: the sum of their counts.
    """

    least: int
    size: int
    counted: int
    tokens: int


class Finish:
    """Takes the merged streams once and gives the table's rows.

    Args:
        kind: of the streams' columns.
        streams: tokens in order with their counts, one stream behind the other.
        memory: bytes to work in.
        special: tokens that get the first ids whatever their counts.
    """

    def __init__(
        self,
        kind: Kind,
        streams: Sequence[Iterator[tuple[Column, Counts]]],
        folder: Path,
        memory: int,
        special: Sequence[str],
    ) -> None:
        self._special = {token.encode(): 0 for token in special}
        if special and kind.name != "bytes":
            streams = [_spell(kind, stream) for stream in streams]
            kind = KINDS["bytes"]
        self._kind = kind
        self._streams = streams
        self._folder = folder
        self._memory = memory
        self._order = ByCount(kind, folder / "order", memory)

    def sort(self, check: Callable[[], None]) -> None:
        """Put everything into the order of the vocabulary; ``check`` may end it."""
        count = len(self._streams)
        orders = [
            ByCount(self._kind, self._folder / f"order{number}", self._memory // count)
            for number in range(count)
        ]

        def sort(stream: Iterator[tuple[Column, Counts]], order: ByCount) -> None:
            for column, counts in stream:
                check()
                order.add(*(self._without_special(column, counts)))

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(sort, self._streams, orders))
        self._order.extend(orders)

    @property
    def total(self) -> int:
        """Tokens of the corpus."""
        return self._order.total + sum(self._special.values())

    @property
    def distinct(self) -> int:
        """Distinct tokens of the corpus."""
        return self._order.rows + self._met

    @property
    def _met(self) -> int:
        return sum(count > 0 for count in self._special.values())

    def cut(self, least: int, most: int | None) -> Cut:
        """What tokens with a count of at least ``least`` leave, and no more rows than ``most``."""
        values, tokens = self._order.distribution()
        room = max((most or 1 << 62) - len(self._special), 0)
        kept = np.where(values >= least, tokens, 0)
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)[:-1]))
        kept = np.clip(room - before[: len(kept)], 0, kept)
        rows = int(kept.sum())
        return Cut(
            least,
            rows + len(self._special),
            rows + self._met,
            int((kept * values).sum()) + sum(self._special.values()),
        )

    def rows(
        self, cut: Cut, scheme: Scheme, check: Callable[[], None]
    ) -> Iterator[tuple[Any, Counts]]:
        """Arrow strings and counts in order of id."""
        if self._special:
            names = pa.array([token.decode() for token in self._special], pa.string())
            yield names, np.array(list(self._special.values()), np.int64)
        left = cut.size - len(self._special)
        for column, counts in self._order.result(cut.least):
            for start in range(0, min(len(counts), left), _ROWS):
                check()
                end = min(start + _ROWS, len(counts), left)
                yield self._strings(self._kind.cut(column, start, end), scheme), counts[start:end]
            left -= min(len(counts), left)
            if not left:
                return

    def _without_special(self, column: Column, counts: Counts) -> tuple[Column, Counts]:
        if not self._special:
            return column, counts
        found = numbers(pc.is_in(column, pa.array(list(self._special), pa.large_binary())))
        places = np.flatnonzero(found)
        for place in places:
            self._special[column[int(place)].as_py()] = int(counts[place])
        rest = np.flatnonzero(~found)
        return self._kind.take(column, rest), counts[rest]

    def _strings(self, column: Column, scheme: Scheme) -> Any:
        if isinstance(scheme, Kmers):
            letters = pack.spell(column[0], scheme.k, scheme.letters)
            ends = np.arange(0, letters.size + 1, scheme.k, dtype=np.int32)
            buffers = [None, pa.py_buffer(ends), pa.py_buffer(letters)]
            return pa.Array.from_buffers(pa.string(), len(letters), buffers)
        return spelled(self._kind, column).cast(pa.large_string()).cast(pa.string())


def _spell(kind: Kind, stream: Iterator[tuple[Column, Counts]]) -> Iterator[tuple[Column, Counts]]:
    for column, counts in stream:
        yield spelled(kind, column), counts
