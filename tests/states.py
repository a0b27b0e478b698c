"""Encoders called with tensors, as tests have them at hand."""

from torch import Tensor

from sslkit.contracts.encoder import Encoder, TokenEncoder


def states(
    encoder: Encoder,
    tokens: Tensor,
    length: Tensor,
    layer: int | None = None,
    start: bool = False,
    **arrays: Tensor,
) -> Tensor:
    """Hidden states [B, L, width], or [B, 1 + L, width] with those of the start vector."""
    batch = {"tokens": tokens, "length": length, **arrays}
    if start:
        assert isinstance(encoder, TokenEncoder)
        return encoder.with_start(batch, layer)
    return encoder(batch, layer=layer).values
