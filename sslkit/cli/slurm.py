"""sslkit slurm."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def _known(context: typer.Context, words: list[str]) -> list[str]:
    """Parse a command line of sslkit as it would be parsed, and run nothing."""
    above: Any = context.parent
    names = sorted(set(above.command.commands) - {context.info_name})
    if words[0] not in names:
        known = ", ".join(names)
        raise typer.BadParameter(f"sslkit has no command {words[0]!r} for a job: {known}")
    command = above.command.commands[words[0]]
    parsed = command.make_context(words[0], list(words[1:]), parent=above)
    context.meta[_THREADS] = parsed.params.get("threads")
    return words


#: Where the threads of the command wait for those of the job.
_THREADS = "sslkit.slurm.threads"


def slurm(
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- COMMAND...", help="A command of sslkit, behind --.", callback=_known
        ),
    ],
    time: Annotated[
        str,
        options.option("--time", help="Limit of a run: minutes, H:MM:SS, D-H, D-HH:MM:SS."),
    ] = "24:00:00",
    notice: Annotated[
        int,
        options.option(
            "--notice",
            min=1,
            help="Seconds before the limit at which the work is told to keep its state and make "
            "way; as many as a step and writing the state take, and a minute more.",
        ),
    ] = 180,
    mem: Annotated[
        str | None,
        options.option("--mem", help="Memory of a node, as 16G. Default: the cluster's."),
    ] = None,
    cpus: Annotated[
        int | None,
        options.option(
            "--cpus", help="Processors of a process. Default: the command's --threads, or 1.", min=1
        ),
    ] = None,
    gpus: Annotated[int, options.option("--gpus", help="GPUs of a node.", min=0)] = 0,
    nodes: Annotated[int, options.option("--nodes", help="Machines.", min=1)] = 1,
    processes: Annotated[
        int | None,
        options.option(
            "--processes",
            min=1,
            help="Processes on a node that train one model. Default: one for each GPU.",
        ),
    ] = None,
    partition: Annotated[
        str | None, options.option("--partition", help="Default: the cluster's.")
    ] = None,
    account: Annotated[
        str | None, options.option("--account", help="Default: the cluster's.")
    ] = None,
    name: Annotated[
        str | None, options.option("--name", help="Of the job. Default: sslkit-COMMAND.")
    ] = None,
    array: Annotated[
        int | None,
        options.option(
            "--array", help="Jobs that each take one --shard of the command (build-vocab).", min=1
        ),
    ] = None,
    out: Annotated[
        Path | None, options.option("-o", "--out", help="File to write. Default: stdout.")
    ] = None,
    config: options.Config = None,
    force: Annotated[bool, options.option("--force", help="Overwrite --out.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print a job script for SLURM that runs a command and goes on where its time ran out.

    Example: sslkit slurm --time 12:00:00 --cpus 8 -- pretrain --domain genome --k 6 > job.sh

    Then: sbatch job.sh. Shortly before its time is up the command is told by SIGUSR1, keeps its
    state and ends with exit code 75, and the job is queued again; with any other exit code it is
    not. The command line is checked, not run.
    """
    context.params["threads"] = context.meta[_THREADS]
    launch(context, "slurm.run")
