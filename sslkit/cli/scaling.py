"""sslkit scaling."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sslkit.cli import options
from sslkit.cli.launch import launch


def scaling(
    context: typer.Context,
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that pretrain wrote, finished or not.")
    ],
    by: Annotated[
        Literal["tokens", "flops", "parameters"],
        options.option(
            "--by",
            help="What curves are drawn against: tokens read, floating-point operations of "
            "training, or parameters (ends of finished runs only, 4 or more).",
        ),
    ] = "flops",
    plot: Annotated[
        Path | None,
        options.option("--plot", help="Draw the curves, as scaling.png. Extra: plot."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit learning curves of runs and say what twice the compute should bring.

    Example: sslkit scaling small/ medium/ large/ --plot scaling.png

    A saturating power law is fitted to the held-out loss, and to the probe's score where
    --probe-every logged one: to each run without the first tenth of what it spent, and to the best
    that any of them reached. Runs with a falling rate are best at their end, so that points
    before it promise less than shorter runs would have given; with a constant rate they do not.
    """
    launch(context, "scaling.run")
