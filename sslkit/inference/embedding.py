"""Embedding a corpus into parts that outlive the process, and going on behind the last one."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sslkit.artifacts import embeddings
from sslkit.artifacts.embeddings import Block
from sslkit.artifacts.parts import Parts
from sslkit.contracts.domain import RecordDomain, TokenDomain
from sslkit.contracts.encoder import Encoder
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.inference.encode import Piece, pieces
from sslkit.inference.pooling import Combined
from sslkit.inference.windows import Plan
from sslkit.types import Array

# A part is written when its writing costs little beside the work that it saves.
_FEWEST_SECONDS, _MOST_SECONDS, _SHARE = 1.0, 30.0, 0.05
# Of vectors, and rows: a short one takes more memory for what stands around it.
_PART_BYTES, _PART_BLOCKS = 2**26, 2**15


@dataclass(frozen=True, slots=True)
class Example:
    """One record: its units, and what its row of the table says besides.

    Attributes:
        start, end: of an interval on its reference, [1]; None for a record that is none.
        learned: whether the encoder was fine-tuned on its label.
    """

    id: str
    units: Array
    label: str | None = None
    start: npt.NDArray[np.int64] | None = None
    end: npt.NDArray[np.int64] | None = None
    learned: bool | None = None


@dataclass
class Cursor:
    """Where the work stands: the next record, its windows that are done, tokens seen so far."""

    row: int = 0
    windows: int = 0
    seen: int = 0

    def move(self, piece: Piece) -> None:
        """Step behind a piece."""
        if piece.window is not None:
            self.seen += piece.window.stop - piece.window.start
        self.windows = 0 if piece.last else self.windows + 1
        self.row += piece.last


@dataclass(frozen=True)
class Work:
    """What is embedded, by what, into what.

    Attributes:
        examples: the records from a given one on, in order.
        columns: of the table, see ``artifacts.embeddings``.
    """

    encoder: Encoder
    domain: RecordDomain
    plan: Plan
    runtime: Runtime
    examples: Callable[[int], Iterator[Example]]
    columns: pa.Schema

    def run(self, parts: Parts, stop: Stop, told: Callable[[Cursor], None]) -> None:
        """Add to ``parts`` what they do not hold yet; ``told`` hears of every lot.

        Raises:
            RequeueError: somebody asked to stop; all that is done was kept.
        """
        combined = Combined(self.plan.pooling or "mean")
        cursor = Cursor()
        if parts.state:
            cursor = Cursor(**parts.state["cursor"])
            combined.restore(parts.state["combined"])
        chunks, blocks, clock = parts.chunks, list[Block](), _Clock()

        def keep() -> None:
            state = {"cursor": asdict(cursor), "combined": combined.state()}
            parts.append(embeddings.table(blocks, self.columns), chunks, state)
            blocks.clear()

        told(cursor)
        first = cursor.row
        waiting: deque[Example] = deque()
        for chunk in pieces(
            self.encoder,
            self.domain,
            _noting(self.examples(first), waiting),
            self.plan,
            self.runtime,
            skip=cursor.windows,
        ):
            for piece in chunk:
                blocks += self._blocks(piece, first + piece.row, waiting[0], combined)
                cursor.move(piece)
                if piece.last:
                    waiting.popleft()
            chunks += 1
            told(cursor)
            if stop or clock.is_due(_is_full(blocks)):
                keep()
                stop.check(f"{cursor.row} records are done")
        if blocks:
            keep()

    def _blocks(
        self, piece: Piece, row: int, example: Example, combined: Combined
    ) -> Iterator[Block]:
        """The rows of the table that a piece completes."""
        window, truncated = piece.window, not self.plan.reads_all(piece.tokens)
        vectors: npt.NDArray[np.float32] | None = piece.vectors
        start, end = (None, None) if self.plan.pooling is None else (example.start, example.end)
        if self.plan.pooling is None and window is not None:
            domain = cast("TokenDomain", self.domain)
            size = domain.units(1)
            kept = range(window.keep, window.keep_stop)
            start = np.array([domain.units(token + 1) - size for token in kept])
            end = start + size
        else:
            if window is not None:
                combined.add(piece.vectors[0], window.keep_stop - window.keep)
            if not piece.last:
                return
            pooled = combined.take()
            vectors = None if pooled is None else pooled[None]
        yield Block(
            *(example.id, row, piece.tokens, truncated, vectors, example.label, start, end),
            learned=example.learned,
        )


def _noting(examples: Iterator[Example], waiting: deque[Example]) -> Iterator[Array]:
    """Units of the examples; who they are stands in ``waiting`` until their row is written."""
    for example in examples:
        waiting.append(example)
        yield example.units


def _is_full(blocks: Sequence[Block]) -> bool:
    """Whether blocks take as much memory as they may."""
    if len(blocks) >= _PART_BLOCKS:
        return True
    return sum(0 if b.vectors is None else b.vectors.nbytes for b in blocks) >= _PART_BYTES


class _Clock:
    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def is_due(self, is_full: bool) -> bool:
        """Whether to write a part now; always where what waits takes all the memory it may."""
        now = time.monotonic()
        wait = min(max(_FEWEST_SECONDS, _SHARE * (now - self._start)), _MOST_SECONDS)
        if now - self._last < wait and not is_full:
            return False
        self._last = now
        return True
