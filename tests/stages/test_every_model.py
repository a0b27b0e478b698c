"""Every encoder of the catalogue by the name that users type, from pretrain to probe."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sslkit import catalog
from sslkit.artifacts import checkpoint

Command = Callable[..., Any]

ENCODERS = [n for n in catalog.names("model") if list(catalog.load("model", n).TAKES) == ["tokens"]]
SHAPE = ("--set", "width=16", "--threads", "1", "--device", "cpu")


@pytest.mark.parametrize("objective", ["mlm", "clm"])
@pytest.mark.parametrize("model", ENCODERS)
def test_the_chain(
    model: str,
    objective: str,
    command: Command,
    tmp_path: Path,
    tiny_vocab: Path,
    tiny_labels: Path,
) -> None:
    fields = {field.name for field in dataclasses.fields(catalog.load("model", model).Settings)}
    depth = ("--set", "blocks=2") if "blocks" in fields else ()
    messages = command(
        "pretrain", "--model", model, "--objective", objective, *SHAPE, *depth, "--steps", "3",
        "--window", "32", "--batch-tokens", "256", "--precision", "fp32",
    ).err  # fmt: skip
    plugin = checkpoint.load(tmp_path / "pretrained" / checkpoint.NAME).manifest.plugins["model"]
    assert plugin["name"] == model
    if "causal" in fields:
        assert plugin["settings"]["causal"] == (objective == "clm")
    # Kernels of 5 taps, 1 and 2 tokens apart.
    remarks = {"mlm": "a state depends on 6 tokens to each side", "clm": "on 12 tokens back"}
    assert (remarks[objective] in messages) == (model == "conv")
    common = ("--threads", "1", "--device", "cpu")
    command("embed", "corpus/genes.fa", *common)
    assert pq.read_table(tmp_path / "embeddings.parquet").num_rows == 20
    freeze = "1" if depth else "0"
    command("finetune", "--task", "promoter", "--freeze", freeze, "--steps", "2", *common)
    command("probe", "--task", "promoter", *common)
