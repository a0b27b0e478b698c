"""sslkit plan."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options, training
from sslkit.cli.launch import launch


def plan(
    context: typer.Context,
    mem: Annotated[
        str,
        options.option(
            "--mem",
            help="Memory of the whole process, as 6G; on a GPU the device's. Powers of 1024.",
        ),
    ],
    objective: training.Objective = "mlm",
    model: training.Model = "transformer",
    vocab: options.Vocab = Path("vocab.parquet"),
    window: training.Window = 128,
    batch_tokens: training.BatchTokens = 8192,
    micro_tokens: training.MicroTokens = 16384,
    depths: Annotated[
        str | None,
        options.option("--depths", help="Numbers of blocks to compare, as 12,24,48."),
    ] = None,
    precision: Annotated[
        str, options.option("--precision", help="fp32, bf16, or auto: the faster one here.")
    ] = "auto",
    seed: options.Seed = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    config: options.Config = None,
    set: options.Set = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Foretell the memory of pretraining, and choose how to train within a budget.

    Example: sslkit plan --mem 6G --model transformer --set blocks=24

    Names the micro-batch, how many of them a step has, and whether gradient checkpointing is
    needed; `pretrain --mem` takes the same choice. Nothing is written.
    """
    launch(context, "pretrain.plan")
