"""The other sides of bench_pretrain.py: encoders of transformers in a plain loop."""

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pretrain_task as task
import race
import torch
from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

PAD, MASK = task.SIZE, task.SIZE + 1


def made(name: str) -> Any:
    """A fresh model of the common shape."""
    shape = {
        "vocab_size": task.SIZE + 2, "hidden_size": task.WIDTH, "num_hidden_layers": task.BLOCKS,
        "num_attention_heads": task.HEADS, "intermediate_size": 4 * task.WIDTH, "pad_token_id": PAD,
        "max_position_embeddings": task.LONGEST,
    }  # fmt: skip
    if name == "bert":
        return BertForMaskedLM(BertConfig(**shape))
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), MASK)
    return ModernBertForMaskedLM(ModernBertConfig(**shape, **ends))


def encoded(codes: Any) -> torch.Tensor:
    """Token ids of base codes [..., bases], frame by frame."""
    return torch.from_numpy(
        codes.reshape(*codes.shape[:-1], -1, task.K) @ 4 ** np.arange(task.K)[::-1]
    )


def batches(length: int, grouped: bool) -> Iterator[torch.Tensor]:
    """Token ids of batches without end: windows of one length, or records of like length."""
    records = task.corpus(variable=grouped)
    if grouped:
        queue = sorted((encoded(one) for one in records), key=len, reverse=True)
        groups: list[list[torch.Tensor]] = [[]]
        for one in queue:
            if groups[-1] and len(groups[-1][0]) * (len(groups[-1]) + 1) > task.TOKENS:
                groups.append([])
            groups[-1].append(one)
        while True:
            for number in torch.randperm(len(groups)).tolist():
                yield torch.nn.utils.rnn.pad_sequence(groups[number], True, PAD)
    letters, draw = np.concatenate(records[:-1]), np.random.default_rng(1)
    while True:
        starts = draw.integers(0, len(letters) - length * task.K, task.TOKENS // length)
        yield encoded(np.stack([letters[at : at + length * task.K] for at in starts]))


class Loop:
    """What a first script does: hide, forward, backward, step."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.model, self.bf16 = made(asked.model), asked.precision == "bf16"
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=asked.rate)
        self.queue = batches(asked.length, asked.grouped)

    def loss(self, ids: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """The mean loss of the hidden tokens."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            found = self.model(
                input_ids=ids.masked_fill(hidden, MASK),
                attention_mask=(ids != PAD).long(),
                labels=ids.masked_fill(~hidden, -100),
            )
        loss: torch.Tensor = found.loss
        return loss

    def step(self) -> int:
        """One step; how many tokens were not padding."""
        ids = next(self.queue)
        self.loss(ids, (torch.rand(ids.shape) < task.HIDDEN) & (ids != PAD)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return int((ids != PAD).sum())

    def quality(self, steps: int, rate: float) -> float:
        """Train for so many steps; the mean loss on what is held out."""
        self.model.train()
        for step in range(steps):
            self.optimizer.param_groups[0]["lr"] = rate * task.factor(step, steps)
            self.step()
        self.model.eval()
        ids = encoded(task.held_out())
        with torch.inference_mode():
            hidden = torch.rand(ids.shape, generator=torch.Generator().manual_seed(0)) < task.HIDDEN
            return float(self.loss(ids, hidden))


def main() -> None:
    """Serve rounds, or train for a while and say what was learned."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=["bert", "modernbert"])
    parser.add_argument("precision", choices=["fp32", "bf16"])
    parser.add_argument("length", type=int)
    parser.add_argument("--grouped", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rate", type=float, default=task.RATE)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    loop = Loop(asked)
    if asked.steps:
        start = time.process_time()
        print(loop.quality(asked.steps, asked.rate), time.process_time() - start)
        return
    race.serve(lambda _: sum(loop.step() for _ in range(task.STEPS)))


if __name__ == "__main__":
    main()
