"""sslkit build-vocab."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def build_vocab(
    context: typer.Context,
    corpus: Annotated[list[Path], typer.Argument(help="Files, folders, globs, or - for stdin.")],
    domain: Annotated[
        str | None,
        options.option("--domain", help="Kind of corpus. Default: recognised from its files."),
    ] = None,
    k: Annotated[
        int | None,
        options.option("--k", help="Letters per token. Default: 6 for genomes.", min=1, max=31),
    ] = None,
    sequence_column: Annotated[
        str | None,
        options.option(
            "--sequence-column",
            "--column",
            help="Column of CSV, TSV or Parquet to count. Default: a usual name.",
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        options.option("--label-column", help="Column that is none of sequences or ids."),
    ] = None,
    id_column: options.IdColumn = None,
    canonical: Annotated[
        bool,
        options.option("--canonical", help="Count a k-mer and its reverse complement as one."),
    ] = False,
    mem: Annotated[
        str, options.option("--mem", help="Peak memory of all processes together: 512M, 4G.")
    ] = "4G",
    min_count: Annotated[
        int, options.option("--min-count", help="Leave out rarer tokens.", min=1)
    ] = 1,
    max_size: Annotated[
        int | None, options.option("--max-size", help="Keep so many tokens at most.", min=1)
    ] = None,
    special: Annotated[
        list[str] | None,
        options.option("--special", help="Token that gets one of the first ids. Repeatable."),
    ] = None,
    subword: Annotated[
        Literal["bpe", "unigram"] | None,
        options.option(
            "--subword",
            help="Learn byte-level subwords from the counts of the words: --max-size of them "
            "(default 8000), from what occurs --min-count times.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        options.option("--shard", help="Count the i-th of n shares, i/n, for merge-vocab."),
    ] = None,
    plot: options.Plot = False,
    engine: Annotated[
        Literal["local", "dask"],
        options.option(
            "--engine",
            help="dask: count and merge in tasks of a Dask cluster whose machines see the same "
            "files; --mem and --threads (default 1) are those of each task. Extra: dask.",
        ),
    ] = "local",
    scheduler: Annotated[
        str | None,
        options.option(
            "--scheduler",
            help="Address, or file, of the Dask scheduler. Default: DASK_SCHEDULER_ADDRESS.",
        ),
    ] = None,
    tasks: Annotated[
        int | None,
        options.option(
            "--tasks", help="Tasks for Dask. Default: one for each 256M of the corpus.", min=1
        ),
    ] = None,
    tmp: Annotated[
        Path | None,
        options.option("--tmp", help="Folder for temporary files. Default: SLURM_TMPDIR, TMPDIR."),
    ] = None,
    all_files: options.AllFiles = False,
    out: options.Out = None,
    seed: options.Seed = 1,
    threads: options.Threads = None,
    config: options.Config = None,
    set: options.Set = None,
    force: options.Force = False,
    on_error: options.BadRecords = "stop",
    max_record: options.MaxRecord = "512M",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Count every token of a corpus exactly and write vocab.parquet.

    Example: sslkit build-vocab corpus/ --mem 4G
    """
    launch(context, "build_vocab.run", sorts=True)
