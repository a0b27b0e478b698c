"""From a parsed command line to its run, which loads what a command's help can do without."""

import importlib

import typer


def launch(context: typer.Context, stage: str, *, sorts: bool = False) -> None:
    """Run a module of ``stages`` with the options of ``context``; see ``execute``."""
    importlib.import_module("sslkit.cli.execute").execute(context, stage, sorts=sorts)
