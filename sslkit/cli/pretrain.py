"""sslkit pretrain."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options, training
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
    objective: training.Objective = "mlm",
    model: training.Model = "transformer",
    vocab: options.Vocab = Path("vocab.parquet"),
    steps: options.Steps = None,
    window: training.Window = 128,
    batch_tokens: training.BatchTokens = 8192,
    micro_tokens: training.MicroTokens = 16384,
    gradient_checkpointing: options.GradientCheckpointing = False,
    mem: options.Mem = None,
    learning_rate: training.LearningRate = None,
    schedule: options.Schedule = "cosine",
    optimizer: options.Optimizer = "adamw",
    weight_decay: training.WeightDecay = 0.01,
    clip: training.Clip = 1.0,
    heldout: training.Heldout = 0.05,
    precision: training.Precision = "auto",
    shards: training.Shards = Path(".sslkit/shards"),
    checkpoint_every: options.CheckpointEvery = 120.0,
    start_from: training.StartFrom = None,
    plot: training.Plot = False,
    parallel: training.Parallel = "ddp",
    probe_every: training.ProbeEvery = None,
    task: training.Task = None,
    labels: training.Labels = None,
    valid: training.Valid = None,
    test: training.Test = None,
    sequence_column: training.SequenceColumn = None,
    label_column: training.LabelColumn = None,
    id_column: training.IdColumn = None,
    stop_when_gain_below: training.StopWhenGainBelow = None,
    all_files: options.AllFiles = False,
    out: options.Out = None,
    seed: options.Seed = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    config: options.Config = None,
    set: options.Set = None,
    force: options.Force = False,
    on_error: options.BadRecords = "stop",
    max_record: options.MaxRecord = "512M",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train an encoder on unlabelled data and write pretrained/.

    Example: sslkit pretrain --domain genome --k 6

    An equation needs no corpus: sslkit pretrain --domain physics --set equation=burgers

    A killed run continues with the same command line. Under torchrun all processes train one
    model: torchrun --nproc-per-node 2 -m sslkit pretrain --domain genome --k 6
    """
    launch(context, "pretrain.run")
