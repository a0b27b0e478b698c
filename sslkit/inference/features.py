"""Frozen features of records: one vector of an encoder for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.console import Progress
from sslkit.contracts.domain import RecordDomain
from sslkit.contracts.encoder import Encoder
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.inference import encode
from sslkit.inference.windows import BATCH_TOKENS, Plan
from sslkit.types import Array

Floats = npt.NDArray[np.float64]


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
    for row, vector in enumerate(encode.embed(encoder, domain, units, plan, runtime)):
        # Records without a token were refused when the labels were read.
        out[row] = vector
        progress.advance(1)
    return out
