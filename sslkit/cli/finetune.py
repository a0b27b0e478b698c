"""sslkit finetune."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def finetune(
    context: typer.Context,
    task: Annotated[
        str, options.option("--task", help="What the labels mean; `sslkit show task`.")
    ],
    labels: Annotated[
        list[Path] | None,
        options.option(
            "--labels", help="CSV, TSV, Parquet; FASTA of letters. Default: labels/<task>.csv."
        ),
    ] = None,
    valid: Annotated[
        list[Path] | None,
        options.option("--valid", help="Validation records. Default: made from --labels."),
    ] = None,
    test: Annotated[
        list[Path] | None, options.option("--test", help="Test records. Default: made likewise.")
    ] = None,
    sequence_column: options.SequenceColumn = None,
    label_column: options.LabelColumn = None,
    id_column: options.IdColumn = None,
    checkpoint: options.Checkpoint = Path("pretrained"),
    from_scratch: Annotated[
        bool,
        options.option("--from-scratch", help="Same shape, fresh weights: the comparison."),
    ] = False,
    adapt: Annotated[
        str,
        options.option(
            "--adapt", help="freeze, full, lora, several as lora+freeze; `sslkit show adaptation`."
        ),
    ] = "freeze",
    freeze: Annotated[
        int,
        options.option(
            "--freeze", help="Embeddings and blocks from the input on that stay.", min=0
        ),
    ] = 0,
    steps: options.Steps = None,
    batch: Annotated[int, options.option("--batch", help="Records of a step.", min=1)] = 32,
    learning_rate: Annotated[
        float | None,
        options.option(
            "--learning-rate",
            help="Peak rate of the last block. Default: 1e-3, or the optimizer's own.",
            min=0,
        ),
    ] = None,
    schedule: options.Schedule = "cosine",
    optimizer: options.Optimizer = "adamw",
    weight_decay: Annotated[
        float, options.option("--weight-decay", help="Weight decay of matrices.", min=0)
    ] = 0.01,
    class_weights: Annotated[
        str, options.option("--class-weights", help="none, or balanced: rare classes count more.")
    ] = "none",
    patience: Annotated[
        int,
        options.option("--patience", help="Evaluations without gain before the end.", min=1),
    ] = 6,
    families: options.Families = True,
    window: Annotated[
        int | None,
        options.option(
            "--window",
            help="Tokens read of a record. Default: the longest record, at "
            "most 4 windows of pretraining.",
            min=1,
        ),
    ] = None,
    precision: Annotated[
        str, options.option("--precision", help="fp32, bf16, or auto: the faster one here.")
    ] = "auto",
    checkpoint_every: options.CheckpointEvery = 120.0,
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
    """Train a pretrained encoder on labelled records and write finetuned/<task>/.

    Example: sslkit finetune --task promoter --freeze 8

    The weights with the best validation loss are kept (of fewer than 20 validation records: the
    last ones); the test part is looked at once, at the end. Metrics come with 95% bootstrap
    intervals, predictions with ids.

    A task such as secondary-structure has a label for each residue or base: training reads a
    window of each record, anywhere in it, and all units of the test records are predicted.
    """
    launch(context, "finetune.run")
