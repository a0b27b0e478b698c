"""sslkit doctor."""

from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def doctor(
    context: typer.Context,
    full: Annotated[
        bool,
        options.option(
            "--full",
            help="Try torch as well: number formats, GPUs, and two processes under torchrun. "
            "Takes ten seconds of a processor.",
        ),
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Examine installation, processors, memory and folders; with --full torch, GPUs, torchrun.

    Example: sslkit doctor --full

    Every line says ok, warning or problem, and what to do. Ends with 1 where something is broken.
    """
    launch(context, "doctor.run")
