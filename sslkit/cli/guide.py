"""sslkit guide."""

from typing import Annotated

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def guide(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A page. Default: list them all.")] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show a page of the guide, or list the pages.

    Example: sslkit guide training

    One page for each domain and for each subject. A terminal gets it laid out, a pipe or a file
    the Markdown as it is.
    """
    launch(context, "guide.run")
