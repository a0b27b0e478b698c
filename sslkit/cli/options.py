"""The flags that all commands share, so that they read the same everywhere."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from sslkit.cli.config import read_config
from sslkit.cli.groups import group_of
from sslkit.errors import OnError
from sslkit.options import MOST_THREADS

#: What variables begin with.
PREFIX = "SSLKIT"
#: Options that no variable sets: one that is forgotten would send every stage to one place.
_OUTPUTS = {"--out", "--plot", "--force"}
#: Options that mean something else in another command, whose name their variables carry.
_OWN = {
    *("--batch-tokens", "--id-column", "--label-column", "--labels", "--learning-rate", "--mem"),
    *("--objective", "--optimizer", "--overlap", "--precision", "--schedule", "--set", "--steps"),
    *("--sequence-column", "--task", "--test", "--valid", "--weight-decay", "--window"),
}


def option(*names: str, help: str, group: str = "", **more: Any) -> Any:
    """A ``typer.Option`` that a variable sets as well, unless it is about outputs.

    That is SSLKIT_<OPTION>, or SSLKIT_<COMMAND>_<OPTION> where the option means something else in
    another command.

    Args:
        group: under which it stands in the command's help. Default: that of all commands.
    """
    long = max(names, key=len).partition("/")[0]
    is_common = long not in _OWN | _OUTPUTS
    return typer.Option(
        *names,
        help=help,
        envvar=_variable(long.removeprefix("--")) if is_common else None,
        allow_from_autoenv=long in _OWN,
        show_envvar=False,
        rich_help_panel=group or group_of(long),
        **more,
    )


def _variable(*words: str) -> str:
    return "_".join([PREFIX, *words]).replace("-", "_").upper()


def unread(context: typer.Context) -> Iterator[str]:
    """What to say of variables that are set for the options of a command but are not read."""
    for parameter in context.command.params:
        (flag, *_) = [name for name in parameter.opts if name.startswith("--")] or [""]
        if not flag or flag == "--help":
            continue
        common = _variable(flag.removeprefix("--"))
        own = _variable(str(context.info_name), flag.removeprefix("--"))
        reads = "" if flag in _OUTPUTS else own if flag in _OWN else common
        for variable in {common, own} - {reads}:
            if os.environ.get(variable):
                yield f"{variable} is set but not read: use {reads or flag}"


Out = Annotated[Path | None, option("-o", "--out", help="Where to write.")]
Seed = Annotated[int, option("--seed", help="Seed of all random choices.", min=0, max=2**63 - 1)]
Steps = Annotated[
    int | None, option("--steps", help="Optimizer steps. Default: by the size of the data.", min=1)
]
Threads = Annotated[
    int | None,
    option("--threads", help="Processors. Default: SLURM_CPUS_PER_TASK, or all there are.", min=1,
           max=MOST_THREADS),
]  # fmt: skip
Device = Annotated[str, option("--device", help="auto, cpu, cuda or cuda:N.")]
Config = Annotated[
    Path | None,
    option("--config", help="TOML file with defaults for these options; every run writes one.",
           is_eager=True, callback=read_config),
]  # fmt: skip
Set = Annotated[
    list[str] | None,
    option("--set", metavar="NAME=VALUE",
           help="Setting of a plug-in; `sslkit show` lists them. Repeatable."),
]  # fmt: skip
Vocab = Annotated[Path, option("--vocab", help="Vocabulary made by build-vocab.")]
Checkpoint = Annotated[
    Path, option("--checkpoint", help="Checkpoint, or the folder of a run, made by pretrain.")
]
Schedule = Annotated[
    str, option("--schedule", help="Learning rate over the run; `sslkit show schedule`.")
]
Optimizer = Annotated[
    str,
    option("--optimizer", help="How weights are moved; `sslkit show optimizer`. Two in turn as "
           "adamw+lbfgs."),
]  # fmt: skip
CheckpointEvery = Annotated[
    float,
    option("--checkpoint-every", min=0,
           help="Seconds between the states that a killed run continues from."),
]  # fmt: skip
Force = Annotated[bool, option("--force", help="Overwrite what a run with other settings wrote.")]
BadRecords = Annotated[
    OnError, option("--on-error", help="A bad record stops the run, or is skipped and counted.")
]
Families = Annotated[
    bool,
    option("--families/--no-families", help="Keep look-alikes, as molecules of one scaffold, on "
           "one side of parts that are made here."),
]  # fmt: skip
MaxRecord = Annotated[
    str,
    option("--max-record", help="Longest record that is held in memory; those of FASTA and GenBank "
           "that are read in windows may be longer."),
]  # fmt: skip
AllFiles = Annotated[
    bool,
    option("--all-files", help="Read of folders what is hidden, or lies in version control, "
           "environments and caches, too."),
]  # fmt: skip
Reference = Annotated[
    Path | None, option("--reference", help="FASTA that the intervals of BED lie on.")
]
SequenceColumn = Annotated[
    str | None,
    option("--sequence-column", help="Column of a table that is read. Default: the checkpoint's, "
           "if any, or a usual name."),
]  # fmt: skip
LabelColumn = Annotated[
    str | None, option("--label-column", help="Column of the labels. Default: a usual name.")
]
KeptColumn = Annotated[
    str | None, option("--label-column", help="Column that is kept as label. Default: none.")
]
IdColumn = Annotated[
    str | None, option("--id-column", help="Column of the ids. Default: a usual name, or numbers.")
]
Plot = Annotated[
    bool,
    option("--plot", help="Draw the histogram of counts and counts by rank beside the table, as "
           "vocab.png; show the histogram here. Extra: plot."),
]  # fmt: skip
Mem = Annotated[
    str | None,
    option("--mem", help="Memory that training may take, as 6G, on a GPU the device's: chooses the "
           "micro-batch, at most --micro-tokens, and gradient checkpointing."),
]  # fmt: skip
GradientCheckpointing = Annotated[
    bool,
    option("--gradient-checkpointing", help="Keep only what goes into each block and run it again "
           "for its gradient: less memory, a fifth slower, the same result."),
]  # fmt: skip
Json = Annotated[bool, option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, option("-q", "--quiet", help="Only warnings and errors.")]
