"""sslkit embed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def embed(
    context: typer.Context,
    input: Annotated[list[Path], typer.Argument(help="Files, folders, globs, or - for stdin.")],
    checkpoint: options.Checkpoint = Path("pretrained"),
    pooling: Annotated[
        Literal["mean", "first", "max"],
        options.option("--pooling", help="One vector from the tokens of a record."),
    ] = "mean",
    per_token: Annotated[
        bool,
        options.option("--per-token", help="A row for every token instead."),
    ] = False,
    layer: Annotated[
        int,
        options.option("--layer", help="0: embeddings, N: block N, -1: the last."),
    ] = -1,
    window: Annotated[
        int | None,
        options.option(
            "--window",
            help="Tokens seen at once; longer records are several windows. Default: as trained.",
            min=1,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        options.option(
            "--overlap", help="Tokens that neighbouring windows share. Default: an eighth.", min=0
        ),
    ] = None,
    truncate: Annotated[
        bool,
        options.option("--truncate", help="Read one window of each record."),
    ] = False,
    batch_tokens: Annotated[
        int, options.option("--batch-tokens", help="Tokens of a batch, with padding.", min=1)
    ] = 2048,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        options.option("--precision", help="fp32, bf16, or auto: the faster one here."),
    ] = "auto",
    reference: options.Reference = None,
    sequence_column: options.SequenceColumn = None,
    id_column: options.IdColumn = None,
    label_column: options.KeptColumn = None,
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
    """Turn every record into a vector and write embeddings.parquet.

    Example: sslkit embed corpus/genes.fa

    Reads FASTA, FASTQ, GenBank, CSV, TSV, Parquet, and BED with --reference. One row per record,
    in input order. A killed run continues with the same command line.
    """
    launch(context, "embed.run")
