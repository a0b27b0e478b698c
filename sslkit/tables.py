"""Tables for a person, on stdout. Machines read ``Console.result`` instead."""

import sys
from collections.abc import Sequence

import rich.box
from rich.console import Console as Rich
from rich.table import Table


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under a title; the first column is a name, the others are numbers."""
    table = Table(title=title, box=rich.box.SIMPLE_HEAD, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    wide = None if sys.stdout.isatty() else 120
    Rich(file=sys.stdout, width=wide, highlight=False).print(table)
