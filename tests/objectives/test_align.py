"""Alignment of pairs: the loss is InfoNCE of the encoder's own vectors, in loops."""

import math

import numpy as np
import torch

from sslkit import rng
from sslkit.contracts.encoder import pool
from sslkit.contracts.spec import Ids, token_ids
from sslkit.models import transformer
from sslkit.objectives import align
from sslkit.types import Arrays

SPEC = {"tokens": Ids(("length",), 20)}
TOKENS = token_ids(SPEC)


def some(rows: int) -> Arrays:
    generator = np.random.default_rng(1)
    lengths = generator.integers(1, 7, (2, rows))
    tokens = generator.integers(0, TOKENS.size, (2, rows, 6))
    return {
        "tokens": tokens[0], "length": lengths[0],
        "view.tokens": tokens[1], "view.length": lengths[1],
    }  # fmt: skip


def test_the_loss_in_loops() -> None:
    torch.manual_seed(1)
    encoder = transformer.Model(transformer.Settings(blocks=1, width=8, heads=2), SPEC).eval()
    objective = align.Objective(align.Settings(temperature=0.2), SPEC)
    head = objective.head(8)
    assert not list(head.parameters())
    made = objective.prepare(some(5), rng.Counter(1, 0, np.arange(5)))
    batch = {name: torch.from_numpy(value) for name, value in made.items()}
    found = objective.losses(encoder, head, batch)["align"].item()
    vectors = []
    for tokens, length in (("tokens", "length"), ("view.tokens", "view.length")):
        side = []
        for row, size in zip(batch[tokens], batch[length], strict=True):
            alone = {"tokens": row[None, :size], "length": size[None]}
            side.append(pool(encoder(alone), "mean")[0])
        vectors.append(side)
    cosines = [
        [torch.cosine_similarity(a, b, dim=0).item() / 0.2 for b in vectors[1]] for a in vectors[0]
    ]
    slow = 0.0
    for n in range(5):
        for line in (cosines[n], [row[n] for row in cosines]):
            slow += (math.log(sum(map(math.exp, line))) - cosines[n][n]) / 2
    assert math.isclose(found, slow, rel_tol=1e-4)
    assert objective.count(made) == {"align": 5}
