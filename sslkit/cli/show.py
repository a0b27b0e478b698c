"""sslkit show."""

from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def show(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            help="domain, objective, model, schedule, optimizer, adaptation, task; or a file or "
            "run folder."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(help="One of that kind. Default: list them all.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show plug-ins and their settings, or what an artifact says of its making.

    Example: sslkit show objective mlm

    sslkit show lists all plug-ins, sslkit show model those of one kind, and sslkit show
    pretrained/ or sslkit show checkpoint pretrained/ the manifest of an artifact.
    """
    launch(context, "show.run")
