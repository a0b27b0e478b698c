"""sslkit merge-vocab."""

from pathlib import Path
from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def merge_vocab(
    context: typer.Context,
    parts: Annotated[list[Path], typer.Argument(help="What build-vocab --shard wrote, all of it.")],
    mem: Annotated[
        str, options.option("--mem", help="Peak memory of all processes together: 512M, 4G.")
    ] = "4G",
    plot: options.Plot = False,
    tmp: Annotated[
        Path | None,
        options.option("--tmp", help="Folder for temporary files. Default: SLURM_TMPDIR, TMPDIR."),
    ] = None,
    out: options.Out = None,
    threads: options.Threads = None,
    config: options.Config = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Merge counts of parts of a corpus into one vocab.parquet.

    Example: sslkit merge-vocab part-*
    """
    launch(context, "build_vocab.merge", sorts=True)
