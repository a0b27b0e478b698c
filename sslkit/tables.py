"""Tables for a person, on stdout. Machines read ``Console.result`` instead."""

import sys
from collections.abc import Sequence

import rich.box
from rich.console import Console as Rich
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from sslkit.escapes import visible


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under a title; the first column is a name, the others are numbers."""
    # Texts, not strings, in which Rich would look for markup such as [bold].
    table = Table(title=Text(visible(title, "\n")), box=rich.box.SIMPLE_HEAD, title_justify="left")
    for position, column in enumerate(columns):
        side: JustifyMethod = "left" if position == 0 else "right"
        table.add_column(Text(visible(column)), justify=side, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    wide = None if sys.stdout.isatty() else 120
    Rich(file=sys.stdout, width=wide, highlight=False).print(table)
