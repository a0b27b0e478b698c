"""sslkit probe."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def probe(
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
        options.option("--valid", help="Validation records; a probe trains on them too."),
    ] = None,
    test: Annotated[
        list[Path] | None,
        options.option("--test", help="Test records. Default: made from --labels."),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    label_column: options.LabelColumn = None,
    id_column: options.IdColumn = None,
    checkpoint: options.Checkpoint = Path("pretrained"),
    embeddings: Annotated[
        Path | None,
        options.option(
            "--embeddings",
            help="Table made by embed, in place of a checkpoint; labels in its "
            "own column, or joined by id from --labels.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        options.option("--folds", help="Cross-validate, in place of a held-out test part.", min=2),
    ] = None,
    test_share: Annotated[
        float,
        options.option("--test-share", help="Share of the records that is held out.", min=0, max=1),
    ] = 0.2,
    families: options.Families = True,
    pooling: Annotated[
        Literal["mean", "first", "max"],
        options.option("--pooling", help="One vector from the tokens of a record."),
    ] = "mean",
    layer: Annotated[
        int,
        options.option("--layer", help="0: embeddings, N: block N, -1: the last."),
    ] = -1,
    window: Annotated[
        int | None,
        options.option("--window", help="Tokens seen at once. Default: as trained.", min=1),
    ] = None,
    batch_tokens: Annotated[
        int, options.option("--batch-tokens", help="Tokens of a batch, with padding.", min=1)
    ] = 2048,
    plot: Annotated[
        Path | None,
        options.option(
            "--plot", help="Draw predicted contacts over true ones, as contacts.png. Extra: plot."
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        options.option("--precision", help="fp32, bf16, or auto: the faster one here."),
    ] = "fp32",
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
    """Judge frozen embeddings by simple models, beside baselines; write probed/<task>/.

    Example: sslkit probe --task promoter

    Logistic or ridge regression and nearest neighbours on the pretrained encoder's embeddings,
    against the majority, k-mer composition, the letter at each place (of records of one length)
    and the same encoder untrained. Penalties are chosen inside the training part; duplicates
    never stand on two sides, nor do molecules of one scaffold in parts that are made here; 95%
    bootstrap intervals.

    --task contacts reads attention maps instead: --labels has a row for each family of proteins,
    with an alignment and a structure; a sparse regression over heads learns on some families and
    is judged on others, beside mutual information, a Potts model and the untrained encoder.

    --task secondary-structure, or tagging, has a label for each residue, base or word; features
    are those of tokens, and the baselines the unit alone and a window around it: `sslkit show task
    tagging`.
    """
    launch(context, "probe.run")
