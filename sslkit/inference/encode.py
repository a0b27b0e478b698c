"""Running an encoder over records of any length: windows, batches, the order of the input.

A record is one piece for each of its windows. Pieces are gathered until they hold a fixed number
of tokens, sorted by length, run in batches of a token budget, and given out in input order, so
memory does not grow with the corpus. What is gathered together, and hence every byte of the
result, depends on the records alone and not on time or on where an earlier run was interrupted.

Batches change a float32 result by rounding only: below 1e-5 of the vector's length.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from sslkit.contracts.domain import RecordDomain, TokenDomain, counts_tokens
from sslkit.contracts.encoder import Encoder, States, pool, pool_between
from sslkit.data.items import padded
from sslkit.engine.learner import to_device
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.inference.pooling import Combined, Vectors
from sslkit.inference.windows import Plan, Window, windows
from sslkit.types import Array

#: Batches' worth of tokens that are sorted together: 5% padding for lognormal lengths, 3% for twice
#: as much, and a request to stop waits for no longer than this takes.
_GATHERED_BATCHES = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """What one window gave.

    Attributes:
        row: position of the record in the input, from 0.
        window: None where the record has no token.
        last: whether it is the record's last piece.
        tokens: length of the whole record, in tokens.
        vectors: [1, width] pooled over the kept tokens, or [kept tokens, width]; empty where
            the record has no token.
    """

    row: int
    window: Window | None
    last: bool
    tokens: int
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class _Waiting:
    row: int
    window: Window | None
    last: bool
    tokens: int
    units: Array


def resolve_layer(layer: int, depth: int) -> int:
    """A layer from 0 to ``depth``; negative ones count from the end.

    Raises:
        UsageError: there is no such layer.
    """
    resolved = layer + depth + 1 if layer < 0 else layer
    if not 0 <= resolved <= depth:
        raise UsageError(
            f"there is no layer {layer}",
            why=f"the encoder has {depth} blocks",
            do=f"choose 0 (the embeddings) to {depth}, or -1 (the last) to {-depth - 1}",
        )
    return resolved


def pieces(
    encoder: Encoder,
    domain: RecordDomain,
    examples: Iterable[Array],
    plan: Plan,
    runtime: Runtime,
    skip: int = 0,
) -> Iterator[list[Piece]]:
    """The pieces of records in input order, a list for each lot that was gathered.

    Args:
        examples: units of each record, 1-D; a record too short for a token is a piece without
            vectors.
        skip: pieces that an earlier run gave, up to the end of one of its lists.
    """
    chunk: list[_Waiting] = []
    held = 0
    with _evaluating(encoder):
        for piece in _cut(domain, examples, plan):
            if skip:
                skip -= 1
                continue
            chunk.append(piece)
            # A record without tokens takes memory all the same.
            held += max(1, _cost(domain, piece))
            if held >= _GATHERED_BATCHES * plan.batch_tokens:
                yield _run(encoder, domain, chunk, plan, runtime)
                chunk, held = [], 0
        if chunk:
            yield _run(encoder, domain, chunk, plan, runtime)


def embed(
    encoder: Encoder, domain: RecordDomain, examples: Iterable[Array], plan: Plan, runtime: Runtime
) -> Iterator[Vectors | None]:
    """One pooled vector [width] for each record, in order; None where it has no token."""
    if plan.pooling is None:
        raise ValueError("one vector per record needs a pooling")
    combined = Combined(plan.pooling)
    for chunk in pieces(encoder, domain, examples, plan, runtime):
        for piece in chunk:
            if piece.window is not None:
                combined.add(piece.vectors[0], piece.window.keep_stop - piece.window.keep)
            if piece.last:
                yield combined.take()


@contextmanager
def _evaluating(encoder: Encoder) -> Iterator[None]:
    before = encoder.training
    encoder.train(False)
    try:
        yield
    finally:
        encoder.train(before)


def _cut(domain: RecordDomain, examples: Iterable[Array], plan: Plan) -> Iterator[_Waiting]:
    if counts_tokens(domain):
        yield from _windows(domain, examples, plan)
        return
    for row, units in enumerate(examples):
        whole = Window(0, 1, 0, 1) if len(units) else None
        yield _Waiting(row, whole, True, int(len(units) > 0), units)


def _windows(domain: TokenDomain, examples: Iterable[Array], plan: Plan) -> Iterator[_Waiting]:
    first = domain.units(1)
    for row, units in enumerate(examples):
        tokens = domain.length(len(units))
        if tokens < 1:
            yield _Waiting(row, None, True, 0, units[:0])
            continue
        end = tokens if plan.reads_all(tokens) else plan.window
        for window in windows(tokens, plan):
            begin = domain.units(window.start + 1) - first
            part = units[begin : begin + domain.units(window.stop - window.start)]
            yield _Waiting(row, window, window.stop == end, tokens, part)


def _run(
    encoder: Encoder, domain: RecordDomain, chunk: list[_Waiting], plan: Plan, runtime: Runtime
) -> list[Piece]:
    full = [place for place, piece in enumerate(chunk) if piece.window is not None]
    # Longest first: what does not fit into memory fails at once.
    full.sort(key=lambda place: -len(chunk[place].units))
    vectors = np.empty((0, encoder.width), np.float32)
    found = [vectors] * len(chunk)
    outputs = []
    costs = [_cost(domain, piece) for piece in chunk]
    for batch in batches(full, costs, plan.batch_tokens):
        outputs.append(_forward(encoder, domain, [chunk[place] for place in batch], plan, runtime))
    if outputs:
        # One copy from the device: each one waits for all that is queued there.
        vectors = torch.cat(outputs).cpu().numpy()
    at = 0
    for place in full:
        rows = 1 if plan.pooling else _kept(chunk[place].window)
        found[place] = vectors[at : at + rows]
        at += rows
    return [
        Piece(piece.row, piece.window, piece.last, piece.tokens, vectors)
        for piece, vectors in zip(chunk, found, strict=True)
    ]


def _cost(domain: RecordDomain, piece: _Waiting) -> int:
    """What a piece takes of a batch: tokens, or units where nothing counts tokens."""
    units = len(piece.units)
    return domain.length(units) if counts_tokens(domain) else units


def _kept(window: Window | None) -> int:
    return window.keep_stop - window.keep if window else 0


def batches(order: Sequence[int], tokens: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Places in ``order`` as batches that hold no more than ``budget`` tokens with padding.

    Args:
        order: places, by ``tokens`` of each from most to least.
    """
    batch: list[int] = []
    for place in order:
        if batch and tokens[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _forward(
    encoder: Encoder, domain: RecordDomain, batch: list[_Waiting], plan: Plan, runtime: Runtime
) -> torch.Tensor:
    """Vectors of a batch one below the other, [rows, width] float32, on the device."""
    arrays = domain.batch(*padded([piece.units for piece in batch]), None)
    spans = [piece.window for piece in batch if piece.window]
    start = np.array([span.keep - span.start for span in spans])
    stop = np.array([span.keep_stop - span.start for span in spans])
    with torch.inference_mode():
        with runtime.autocast():
            states: States = encoder(to_device(arrays, runtime), layer=plan.layer)
        hidden = states.values
        if not counts_tokens(domain):
            return pool(states, plan.pooling or "mean")
        if plan.pooling is None:
            kept = zip(hidden, start.tolist(), stop.tolist(), strict=True)
            return torch.cat([row[begin:end] for row, begin, end in kept]).float()
        first, last = (torch.from_numpy(each).to(runtime.device) for each in (start, stop))
        return pool_between(hidden, first, last, plan.pooling)
