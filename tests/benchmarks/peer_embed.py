"""The other side of bench_embed.py: an ESM encoder of transformers, in a Python of its own."""

import sys
from typing import Any

import numpy as np
import torch
from embed_task import BLOCKS, CONTEXT, HEADS, WIDTH, K, records, serve
from transformers import EsmConfig, EsmModel

BATCH_ROWS = 32
PAD = 4**K


def main() -> None:
    """Serve rounds: ``as they come`` or ``sorted``."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    shape = EsmConfig(
        vocab_size=PAD + 4, hidden_size=WIDTH, num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS, intermediate_size=4 * WIDTH, pad_token_id=PAD,
        max_position_embeddings=CONTEXT + 2, position_embedding_type="rotary",
        token_dropout=False,
    )  # fmt: skip
    model: Any = EsmModel(shape, add_pooling_layer=False).eval()
    powers = 4 ** np.arange(K)[::-1]
    views = (np.lib.stride_tricks.sliding_window_view(r, K) for r in records(int(sys.argv[1])))
    tokens = [torch.from_numpy(view @ powers) for view in views]

    def once(order: str) -> None:
        queue = sorted(tokens, key=len) if order == "sorted" else tokens
        with torch.inference_mode():
            for at in range(0, len(queue), BATCH_ROWS):
                rows = queue[at : at + BATCH_ROWS]
                ids = torch.nn.utils.rnn.pad_sequence(rows, True, PAD)
                mask = (ids != PAD).long()
                hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
                (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    serve(once)


if __name__ == "__main__":
    main()
