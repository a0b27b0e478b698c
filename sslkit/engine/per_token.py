"""A vector for every unit of records: that of the token which speaks for it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslkit.contracts import TokenDomain
from sslkit.engine import inference
from sslkit.engine.pooling import Vectors
from sslkit.engine.runtime import Runtime
from sslkit.engine.windows import Plan
from sslkit.modules import Encoder
from sslkit.types import Array


class Stretch(NamedTuple):
    """Features of some neighbouring units of a record.

    Attributes:
        row: of the record among those that were asked for.
        first: the first unit.
        vectors: [units, width] float32.
    """

    row: int
    first: int
    vectors: Vectors


def speakers(domain: TokenDomain, units: int) -> npt.NDArray[np.int64]:
    """The token that speaks for each unit of a record of so many, ascending, [units].

    It is the one whose middle is nearest, the earlier one of two. A record has a token.
    """
    size = domain.units(1)
    step = domain.units(2) - size
    # Twice the middle of token t is 2 * t * step + size - 1; a division that rounds up.
    nearest = -((size - 1 + step - 2 * np.arange(units)) // (2 * step))
    return np.clip(nearest, 0, domain.length(units) - 1)


def vectors(
    encoder: Encoder,
    domain: TokenDomain,
    examples: Sequence[Array],
    plan: Plan,
    runtime: Runtime,
) -> Iterator[Stretch]:
    """The vectors of all units of records, in order; long records in several stretches.

    Args:
        examples: units of each record, enough for a token.
        plan: without pooling.
    """
    row, token = -1, np.empty(0, np.int64)
    for lot in inference.pieces(encoder, domain, examples, plan, runtime):
        for piece in lot:
            if piece.window is None:
                raise ValueError("a record has no token")
            if piece.row != row:
                row, token = piece.row, speakers(domain, len(examples[piece.row]))
            keep, stop = piece.window.keep, piece.window.keep_stop
            begin, end = np.searchsorted(token, [keep, stop])
            yield Stretch(row, int(begin), piece.vectors[token[begin:end] - keep])
