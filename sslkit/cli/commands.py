"""The commands of sslkit, in the order of the pipeline."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated

import typer

from sslkit import __version__
from sslkit.cli import options
from sslkit.cli.build_vocab import build_vocab
from sslkit.cli.doctor import doctor
from sslkit.cli.embed import embed
from sslkit.cli.finetune import finetune
from sslkit.cli.groups import GroupedCommand, Program
from sslkit.cli.guide import guide
from sslkit.cli.inspect import inspect
from sslkit.cli.merge_vocab import merge_vocab
from sslkit.cli.plan import plan
from sslkit.cli.pretrain import pretrain
from sslkit.cli.probe import probe
from sslkit.cli.retrieve import retrieve
from sslkit.cli.scaling import scaling
from sslkit.cli.score import score
from sslkit.cli.show import show
from sslkit.cli.slurm import slurm

app = typer.Typer(
    name="sslkit",
    cls=Program,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    # With a default for its own --help the parser checks no value before a command's help is
    # shown, and need not load what it checks values with: that takes as long as all the rest.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "default_map": {"help": False, "install_completion": False, "show_completion": False},
        "auto_envvar_prefix": options.PREFIX,
    },
    help="""Example: sslkit inspect corpus/ && sslkit build-vocab corpus/ && sslkit pretrain

    Self-supervised pretraining pipelines for scientific data, stage by stage. Each stage reads
    what the one before it wrote. Options come from flags, then variables (SSLKIT_SEED=7, or
    SSLKIT_EMBED_WINDOW=512 where an option means something else in another stage), then --config
    file.toml.
    """,
)


def _show_version(given: bool) -> None:
    if given:
        typer.echo(f"sslkit {__version__}")
        raise typer.Exit


@app.callback()
def _together(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def _add(name: str, command: Callable[..., None]) -> None:
    """Add a command whose docstring is its summary, then its example; help shows that first."""
    summary, _, rest = cleandoc(command.__doc__ or "").partition("\n\n")
    example, _, more = rest.partition("\n\n")
    text = "\n\n".join(part for part in (example, summary, more) if part)
    app.command(name, cls=GroupedCommand, help=text, short_help=summary)(command)


_add("inspect", inspect)
_add("build-vocab", build_vocab)
_add("merge-vocab", merge_vocab)
_add("plan", plan)
_add("pretrain", pretrain)
_add("embed", embed)
_add("score", score)
_add("finetune", finetune)
_add("probe", probe)
_add("retrieve", retrieve)
_add("scaling", scaling)
_add("slurm", slurm)
_add("show", show)
_add("doctor", doctor)
_add("guide", guide)
