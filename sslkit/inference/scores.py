"""What a model says of records: of every token of one, and of whole records."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of the tokens of one record.

    Attributes:
        tokens: ids, [L] int64.
        log_p: of each token at its place, [L], in nats; NaN where it is not in the vocabulary.
        odds: the same less that of the best other token, and ``best`` [L] int64 that token; None
            unless asked for, as what follows.
        effects: log p of every token of the vocabulary less that of the token, [L, size].
    """

    tokens: npt.NDArray[np.int64]
    log_p: Floats
    odds: Floats | None
    best: npt.NDArray[np.int64] | None
    effects: Floats | None

    @classmethod
    def blank(
        cls, tokens: npt.NDArray[np.int64], size: int, *, detail: bool, effects: bool
    ) -> "Scores":
        """Nothing is said yet of tokens [L] of a vocabulary of ``size``."""

        def gaps(*shape: int) -> Floats:
            return np.full(shape, np.nan, np.float32)

        count = len(tokens)
        return cls(
            tokens,
            gaps(count),
            gaps(count) if detail else None,
            np.zeros(count, np.int64) if detail else None,
            gaps(count, size) if effects else None,
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """What a model says of whole records, [records] each.

    Attributes:
        length: tokens, int64.
        scored: tokens that were judged, int64.
        log_likelihood: sum over these, in nats, float64; NaN without any.
    """

    length: npt.NDArray[np.int64]
    scored: npt.NDArray[np.int64]
    log_likelihood: npt.NDArray[np.float64]

    @property
    def perplexity(self) -> npt.NDArray[np.float64]:
        """Of the tokens that were judged, [records]; NaN without any."""
        with np.errstate(over="ignore"):
            values: npt.NDArray[np.float64] = np.exp(
                -self.log_likelihood / np.maximum(self.scored, 1)
            )
        return values
