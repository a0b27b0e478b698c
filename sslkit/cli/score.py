"""sslkit score."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def score(
    context: typer.Context,
    input: Annotated[list[Path], typer.Argument(help="Files, folders, globs, or - for stdin.")],
    checkpoint: options.Checkpoint = Path("pretrained"),
    objective: Annotated[
        str | None,
        options.option("--objective", help="Of several trained together. Default: the first."),
    ] = None,
    wild_type: Annotated[
        Path | None,
        options.option("--wild-type", help="FASTA of what variants are compared with: delta."),
    ] = None,
    wild_type_id: Annotated[
        str | None,
        options.option("--wild-type-id", help="Its id, there or among the records themselves."),
    ] = None,
    marginal: Annotated[
        bool,
        options.option(
            "--marginal",
            help="Only delta, from the wild type's context alone: substitutions, fast.",
        ),
    ] = False,
    per_position: Annotated[
        bool,
        options.option(
            "--per-position",
            help="A row for every token instead; those of one record are held in memory.",
        ),
    ] = False,
    effects: Annotated[
        bool,
        options.option(
            "--effects", help="With it: a column for every token that could stand there instead."
        ),
    ] = False,
    spacing: Annotated[
        int | None,
        options.option(
            "--spacing",
            help="mlm: hide every Nth token at once: N passes, not exact. Default: one by one.",
            min=1,
        ),
    ] = None,
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
            "--overlap", help="Tokens that neighbouring windows share. Default: half.", min=0
        ),
    ] = None,
    batch_tokens: Annotated[
        int, options.option("--batch-tokens", help="Tokens of a batch, with padding.", min=1)
    ] = 2048,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        options.option(
            "--precision", help="fp32, bf16 (rounds differences of variants), or auto: the faster."
        ),
    ] = "fp32",
    reference: options.Reference = None,
    sequence_column: options.SequenceColumn = None,
    id_column: options.IdColumn = None,
    label_column: options.KeptColumn = None,
    all_files: options.AllFiles = False,
    out: options.Out = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    config: options.Config = None,
    force: options.Force = False,
    on_error: options.BadRecords = "stop",
    max_record: options.MaxRecord = "512M",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Say how plausible every record is and write scores.parquet.

    Example: sslkit score variants.fa --wild-type wild.fa

    One row per record, in input order: the sum of log p over its tokens and the perplexity, or the
    energy; beside a wild type delta, above 0 for the more plausible. A token is judged given all
    others (mlm, a pseudo-likelihood) or all before it (clm). A killed run continues with the same
    command line.
    """
    launch(context, "score.run")
