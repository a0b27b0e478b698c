"""Frozen features of records: one vector of an encoder for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sslkit.console import Progress
from sslkit.contracts.domain import RecordDomain, counts_tokens
from sslkit.contracts.encoder import Encoder, Pooling, pool
from sslkit.engine.learner import to_device
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.inference import encode
from sslkit.inference.windows import BATCH_TOKENS, Plan
from sslkit.types import Array

Floats = npt.NDArray[np.float64]

#: Records of a batch where a domain counts no tokens.
_ROWS = 64


def plan_of(options: Mapping[str, Any], context: int, depth: int) -> Plan:
    """How records become vectors.

    Args:
        options: pooling, layer, batch_tokens, and window, where None stands for ``context``.
        context: tokens that the encoder was trained on.

    Raises:
        UsageError: longer windows than the encoder knows, or a layer that it has not.
    """
    window = options["window"] or context
    if window > context:
        raise UsageError(
            f"windows of {window} tokens are longer than what the encoder was trained on",
            do=f"choose --window up to {context}",
        )
    layer = encode.resolve_layer(options["layer"], depth)
    tokens = options.get("batch_tokens", BATCH_TOKENS)
    return Plan(options["pooling"], layer, window, window // 8, batch_tokens=tokens)


def embedded(
    encoder: Encoder,
    domain: RecordDomain,
    units: Sequence[Array],
    plan: Plan,
    runtime: Runtime,
    progress: Progress,
) -> Floats:
    """One vector for each record, [records, width] float64; every record has a token."""
    out = np.empty((len(units), encoder.width))
    if not counts_tokens(domain):
        for first in range(0, len(units), _ROWS):
            some = slice(first, first + _ROWS)
            out[some] = pooled(
                encoder, domain, units[some], plan.pooling or "mean", plan.layer, runtime
            )
            progress.advance(len(out[some]))
        return out
    for row, vector in enumerate(encode.embed(encoder, domain, units, plan, runtime)):
        # Records without a token were refused when the labels were read.
        out[row] = vector
        progress.advance(1)
    return out


def pooled(
    encoder: Encoder, domain: RecordDomain, units: Sequence[Array], pooling: Pooling, layer: int,
    runtime: Runtime,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """A vector for each of some records that are read as wholes, [records, width]."""
    arrays = domain.batch(*encode.padded(units), None)
    encoder.eval()
    with torch.inference_mode(), runtime.autocast():
        states = encoder(to_device(arrays, runtime), layer=layer)
        vectors: npt.NDArray[np.float32] = pool(states, pooling).float().cpu().numpy()
    return vectors
