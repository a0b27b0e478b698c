"""sslkit pretrain."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def pretrain(
    context: typer.Context,
    corpus: Annotated[
        list[Path] | None,
        typer.Argument(help="Files, folders or globs. Default: what the vocabulary was made from."),
    ] = None,
    domain: Annotated[
        str | None, options.option("--domain", help="Kind of data. Default: the vocabulary's.")
    ] = None,
    k: Annotated[
        int | None,
        options.option("--k", help="Bases per token (genomes). Default: the vocabulary's.", min=1),
    ] = None,
    objective: Annotated[
        str, options.option("--objective", help="What is predicted; `sslkit show objective`.")
    ] = "mlm",
    model: Annotated[
        str, options.option("--model", help="The encoder; `sslkit show model`.")
    ] = "transformer",
    vocab: options.Vocab = Path("vocab.parquet"),
    steps: options.Steps = None,
    window: Annotated[
        int, options.option("--window", help="Tokens of a training window.", min=8)
    ] = 128,
    batch_tokens: Annotated[
        int,
        options.option("--batch-tokens", help="Tokens of a step, all processes together.", min=8),
    ] = 8192,
    micro_tokens: Annotated[
        int,
        options.option("--micro-tokens", help="Most tokens in memory at once, per process.", min=8),
    ] = 16384,
    gradient_checkpointing: options.GradientCheckpointing = False,
    mem: options.Mem = None,
    learning_rate: Annotated[
        float | None,
        options.option(
            "--learning-rate", help="Peak rate. Default: 1e-3, or the objective's own.", min=0
        ),
    ] = None,
    weight_decay: Annotated[
        float, options.option("--weight-decay", help="Weight decay of matrices.", min=0)
    ] = 0.01,
    clip: Annotated[
        float,
        options.option("--clip", help="Largest norm of the gradient; 0 does not clip.", min=0),
    ] = 1.0,
    heldout: Annotated[
        float,
        options.option("--heldout", help="Share of the corpus that is held out.", min=0, max=0.5),
    ] = 0.05,
    precision: Annotated[
        str, options.option("--precision", help="fp32, bf16, or auto: the faster one here.")
    ] = "auto",
    shards: Annotated[
        Path, options.option("--shards", help="Where encoded corpora are kept and reused.")
    ] = Path(".sslkit/shards"),
    checkpoint_every: options.CheckpointEvery = 120.0,
    out: options.Out = None,
    seed: options.Seed = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    config: options.Config = None,
    set: options.Set = None,
    force: options.Force = False,
    on_error: options.BadRecords = "stop",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train an encoder on unlabelled data and write pretrained/.

    Example: sslkit pretrain --domain genome --k 6

    A killed run continues with the same command line. Under torchrun all processes train one
    model: torchrun --nproc-per-node 2 -m sslkit pretrain --domain genome --k 6
    """
    launch(context, "pretrain")
