"""sslkit inspect."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def inspect(
    context: typer.Context,
    input: Annotated[list[Path], typer.Argument(help="Files, folders, globs, or - for stdin.")],
    domain: Annotated[
        str | None, options.option("--domain", help="Kind of data. Default: as the files tell.")
    ] = None,
    reference: options.Reference = None,
    sequence_column: options.SequenceColumn = None,
    id_column: options.IdColumn = None,
    label_column: options.LabelColumn = None,
    all_files: options.AllFiles = False,
    max_record: options.MaxRecord = "512M",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Say what a file holds, what of it is bad, and which command comes next.

    Example: sslkit inspect corpus/

    Reads FASTA, FASTQ, GenBank, CSV, TSV, Parquet, BED, SMILES, SDF, text and code, plain or
    compressed,
    in bounded memory. Duplicates are found by 64-bit hashes: exactly among a million different
    records, and estimated beyond. Ends with 3 where a stage would refuse something.
    """
    launch(context, "inspect.run")
