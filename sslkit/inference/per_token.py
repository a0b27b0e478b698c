"""A vector for every unit of records: that of the token which speaks for it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.encoder import Encoder
from sslkit.engine.runtime import Runtime
from sslkit.inference import encode
from sslkit.inference.pooling import Vectors
from sslkit.inference.windows import Plan
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
    apart = step(domain)
    # Twice the middle of token t is 2 * t * apart + size - 1; a division that rounds up.
    nearest = -((size - 1 + apart - 2 * np.arange(units)) // (2 * apart))
    return np.clip(nearest, 0, domain.length(units) - 1)


def step(domain: TokenDomain) -> int:
    """Units from the beginning of a token to that of the next; for so many a token speaks."""
    return domain.units(2) - domain.units(1)


def placed(stretch: Stretch, places: int) -> Stretch:
    """The vector of each unit in columns of its own place within its token, 0 in all others.

    Units that share a token share its vector; a linear model of these columns has weights for each
    of them. [units, places x width], and the same where a token speaks for one.
    """
    if places == 1:
        return stretch
    count, width = stretch.vectors.shape
    found = np.zeros((count, places, width), np.float32)
    unit = np.arange(count)
    found[unit, (stretch.first + unit) % places] = stretch.vectors
    return stretch._replace(vectors=found.reshape(count, -1))


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
    for chunk in encode.pieces(encoder, domain, examples, plan, runtime):
        for piece in chunk:
            if piece.window is None:
                raise ValueError("a record has no token")
            if piece.row != row:
                row, token = piece.row, speakers(domain, len(examples[piece.row]))
            keep, stop = piece.window.keep, piece.window.keep_stop
            begin, end = np.searchsorted(token, [keep, stop])
            yield Stretch(row, int(begin), piece.vectors[token[begin:end] - keep])
