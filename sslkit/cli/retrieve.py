"""sslkit retrieve."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def retrieve(
    context: typer.Context,
    input: Annotated[
        list[Path], typer.Argument(help="Files of pairs: lines of two columns, a tab between.")
    ],
    checkpoint: options.Checkpoint = Path("pretrained"),
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
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        options.option("--precision", help="fp32, bf16, or auto: the faster one here."),
    ] = "fp32",
    sequence_column: Annotated[
        str | None,
        options.option(
            "--sequence-column", help="Of tables: column of one side. Default: lines of two texts."
        ),
    ] = None,
    label_column: Annotated[
        str | None, options.option("--label-column", help="Of tables: column of the partner.")
    ] = None,
    id_column: options.IdColumn = None,
    all_files: options.AllFiles = False,
    out: options.Out = None,
    seed: options.Seed = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    config: options.Config = None,
    force: options.Force = False,
    on_error: options.BadRecords = "stop",
    max_record: options.MaxRecord = "512M",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Look every record up by its partner, as a sentence by its translation.

    Example: sslkit retrieve test.tsv

    The partner of each record is looked for among all of the other side, by cosine, in both
    directions: share found first and mean reciprocal rank, with 95% bootstrap intervals over
    pairs. Beside it what needs no sentence: words that both sides share, a dictionary of nearest
    words, and the same encoder untrained. Writes retrieval.parquet, a row per pair: where its
    partners stood and which stood first.
    """
    launch(context, "retrieve.run")
