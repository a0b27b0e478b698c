"""The other sides of bench_embed.py: encoders of transformers and fair-esm."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import race
import torch
from embed_task import BLOCKS, CONTEXT, HEADS, WIDTH, K, records

BATCH_ROWS = 32
PAD = 4**K

#: From token ids and mask to hidden states.
Encoded = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def transformers_esm() -> Encoded:
    """An ESM encoder of transformers."""
    library = importlib.import_module("transformers")
    shape = library.EsmConfig(
        vocab_size=PAD + 4, hidden_size=WIDTH, num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS, intermediate_size=4 * WIDTH, pad_token_id=PAD,
        max_position_embeddings=CONTEXT + 2, position_embedding_type="rotary",
        token_dropout=False,
    )  # fmt: skip
    model: Any = library.EsmModel(shape, add_pooling_layer=False).eval()
    return lambda ids, mask: model(input_ids=ids, attention_mask=mask).last_hidden_state


def fair_esm() -> Encoded:
    """The ESM-2 encoder of fair-esm, its vocabulary our k-mers."""
    library = importlib.import_module("esm")
    words = [str(number) for number in range(PAD)]
    alphabet = library.Alphabet(words, (), ("<pad>", "<cls>", "<eos>", "<unk>", "<mask>"))
    model: Any = library.ESM2(BLOCKS, WIDTH, HEADS, alphabet, token_dropout=False).eval()
    assert alphabet.padding_idx == PAD
    return lambda ids, mask: model(ids, repr_layers=[BLOCKS])["representations"][BLOCKS]


def main() -> None:
    """Serve rounds: ``as they come`` or ``sorted``, with ``bf16`` behind it or not."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    encoded = {"transformers": transformers_esm, "fair-esm": fair_esm}[sys.argv[1]]()
    powers = 4 ** np.arange(K)[::-1]
    views = (np.lib.stride_tricks.sliding_window_view(r, K) for r in records(int(sys.argv[2])))
    tokens = [torch.from_numpy(view @ powers) for view in views]

    def once(order: str) -> float:
        queue = sorted(tokens, key=len) if "sorted" in order else tokens
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, "bf16" in order):
            for at in range(0, len(queue), BATCH_ROWS):
                ids = torch.nn.utils.rnn.pad_sequence(queue[at : at + BATCH_ROWS], True, PAD)
                mask = (ids != PAD).long()
                hidden = encoded(ids, mask)
                (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return sum(map(len, queue))

    race.serve(once)


if __name__ == "__main__":
    main()
