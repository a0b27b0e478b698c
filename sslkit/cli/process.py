"""A process of ``sslkit``: its command line, and the exit code that it ends with."""

import io
import sys

import typer

from sslkit.cli.commands import app
from sslkit.console import Console
from sslkit.errors import SslkitError
from sslkit.escapes import visible
from sslkit.machine import streams


def run() -> int:
    """Run the command of ``sys.argv``; its exit code, when all that it printed is written."""
    try:
        # Its name, however it was started: shells complete by it.
        code = app(prog_name="sslkit", standalone_mode=False)
    except typer.TyperException as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        text = io.StringIO()
        show(text)
        print(visible(text.getvalue(), "\n"), end="", file=sys.stderr)
        return error.exit_code
    if code:
        return int(code)
    try:
        streams.check()
    except SslkitError as error:
        Console().fail(error)
        return error.exit_code
    return 0
