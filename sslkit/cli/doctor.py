"""sslkit doctor."""

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def doctor(
    context: typer.Context,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Examine installation, processors, memory, folders, number formats, GPU and torchrun.

    Example: sslkit doctor

    Every line says ok, warning or problem, and what to do. Ends with 1 where something is broken.
    """
    launch(context, "doctor.run")
