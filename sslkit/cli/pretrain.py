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
        str,
        options.option(
            "--objective", help="What is predicted; `sslkit show objective`. For physics: residual."
        ),
    ] = "mlm",
    model: Annotated[
        str, options.option("--model", help="The encoder; `sslkit show model`. For physics: field.")
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
    learning_rate: Annotated[
        float | None,
        options.option(
            "--learning-rate",
            help="Peak rate. Default: 1e-3, or the objective's or the optimizer's own.",
            min=0,
        ),
    ] = None,
    schedule: options.Schedule = "cosine",
    optimizer: options.Optimizer = "adamw",
    weight_decay: Annotated[
        float,
        options.option("--weight-decay", help="Weight decay of matrices; for physics 0.", min=0),
    ] = 0.01,
    clip: Annotated[
        float,
        options.option(
            "--clip", help="Largest norm of the gradient; 0 does not clip; for physics 0.", min=0
        ),
    ] = 1.0,
    heldout: Annotated[
        float,
        options.option("--heldout", help="Share of the corpus that is held out.", min=0, max=0.5),
    ] = 0.05,
    precision: Annotated[
        str,
        options.option(
            "--precision",
            help="fp32, bf16, fp64, or auto: the faster of fp32 and bf16 here; for physics fp32.",
        ),
    ] = "auto",
    shards: Annotated[
        Path, options.option("--shards", help="Where encoded corpora are kept and reused.")
    ] = Path(".sslkit/shards"),
    checkpoint_every: options.CheckpointEvery = 120.0,
    start_from: Annotated[
        Path | None,
        options.option(
            "--start-from",
            help="Checkpoint, or the folder of a run, whose weights come first. Default: random.",
        ),
    ] = None,
    plot: Annotated[
        bool,
        options.option(
            "--plot", help="Draw the solution of an equation, as solution.png. Extra: plot."
        ),
    ] = False,
    parallel: Annotated[
        str,
        options.option(
            "--parallel",
            help="How several processes share the model: ddp, each holds all of it; fsdp, each "
            "holds a part of weights, gradients and moments, for what one device cannot hold.",
        ),
    ] = "ddp",
    probe_every: Annotated[
        int | None,
        options.option(
            "--probe-every",
            help="Steps between probes of labelled records with frozen features; needs --task. "
            "Default: no probe.",
            min=1,
        ),
    ] = None,
    task: Annotated[
        str | None,
        options.option("--task", help="What the labels of the probe mean; `sslkit show task`."),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        options.option("--labels", help="CSV, TSV or Parquet. Default: labels/<task>.csv."),
    ] = None,
    valid: Annotated[
        list[Path] | None,
        options.option(
            "--valid", help="Records that the probe is judged on. Default: made from --labels."
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        options.option(
            "--test",
            help="Test records: not looked at, nor copies of them. Default: those that probe and "
            "finetune make from --labels with the same --seed.",
        ),
    ] = None,
    stop_when_gain_below: Annotated[
        float | None,
        options.option(
            "--stop-when-gain-below",
            help="End once twice the compute spent so far should bring less: of the probe's score "
            "(0.01: one point of AUC), without a probe of the held-out loss (nats). Judged by the "
            "upper end of a 95% interval, after 9 evaluations or more. Goes best with a constant "
            "rate. Default: all steps.",
        ),
    ] = None,
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

    An equation needs no corpus: sslkit pretrain --domain physics --set equation=burgers

    A killed run continues with the same command line. Under torchrun all processes train one
    model: torchrun --nproc-per-node 2 -m sslkit pretrain --domain genome --k 6
    """
    launch(context, "pretrain")
