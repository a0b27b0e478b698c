"""sslkit plan."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options
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
    objective: Annotated[
        str, options.option("--objective", help="What is predicted; `sslkit show objective`.")
    ] = "mlm",
    model: Annotated[
        str, options.option("--model", help="The encoder; `sslkit show model`.")
    ] = "transformer",
    vocab: options.Vocab = Path("vocab.parquet"),
    window: Annotated[
        int, options.option("--window", help="Tokens of a training window.", min=8)
    ] = 128,
    batch_tokens: Annotated[
        int, options.option("--batch-tokens", help="Tokens of a step.", min=8)
    ] = 8192,
    micro_tokens: Annotated[
        int,
        options.option("--micro-tokens", help="Most tokens in memory at once to think of.", min=8),
    ] = 16384,
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
    launch(context, "plan")
