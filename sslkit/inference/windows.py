"""Records cut into windows that an encoder can see at once, every token counted once."""

from collections.abc import Iterator
from dataclasses import dataclass

from sslkit.contracts.encoder import Pooling
from sslkit.errors import UsageError

#: Tokens, padding included, of one batch: measured best for 128 to 512 wide encoders on a CPU.
BATCH_TOKENS = 2048


@dataclass(frozen=True)
class Plan:
    """How records become vectors.

    Attributes:
        pooling: None for one vector per token.
        layer: 0 for the embeddings, n for block n; the encoder's depth for the last.
        window: tokens that the encoder sees at once.
        overlap: tokens that two neighbouring windows share, below ``window``.
        truncate: read no more than the first window of a record.
        batch_tokens: tokens of a batch, padding included; a longer window is a batch of its own.
    """

    pooling: Pooling | None
    layer: int
    window: int
    overlap: int
    truncate: bool = False
    batch_tokens: int = BATCH_TOKENS

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.window:
            raise UsageError(
                f"windows of {self.window} tokens cannot overlap by {self.overlap}",
                do="give --overlap from 0 to less than --window",
            )

    def reads_all(self, tokens: int) -> bool:
        """Whether every token of so long a record is seen. ``first`` needs one window only."""
        return tokens <= self.window or not (self.truncate or self.pooling == "first")


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens ``start <= t < stop`` are seen together, ``keep <= t < keep_stop`` are counted."""

    start: int
    stop: int
    keep: int
    keep_stop: int


def windows(tokens: int, plan: Plan, *, causal: bool = False) -> Iterator[Window]:
    """Windows that cover a record; the last one is moved back to be as long as the others.

    Of an overlap each window keeps the half that is farther from its own border, so that every
    token is kept exactly once and with as much context as there is. Where context is only what
    stands before a token, the first of two windows keeps all of their overlap.
    """
    if not plan.reads_all(tokens):
        tokens = plan.window
    start = keep = 0
    while start + plan.window < tokens:
        following = min(start + plan.window - plan.overlap, tokens - plan.window)
        border = start + plan.window if causal else (following + start + plan.window + 1) // 2
        yield Window(start, start + plan.window, keep, border)
        start, keep = following, border
    yield Window(start, tokens, keep, tokens)


def count_windows(tokens: int, plan: Plan) -> tuple[int, int]:
    """How many windows a record has, and how many tokens they see together."""
    if tokens <= plan.window or not plan.reads_all(tokens):
        return 1, min(tokens, plan.window)
    step = plan.window - plan.overlap
    count = 1 + -(-(tokens - plan.window) // step)
    return count, count * plan.window
