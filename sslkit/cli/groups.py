"""Help of a command, its options in groups; and the program that the commands are of."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

#: Groups in the order of help, and the options that belong to each in all commands but those that
#: say otherwise.
GROUPS: dict[str, tuple[str, ...]] = {
    "Data": (
        *("domain", "task", "labels", "valid", "test", "embeddings", "reference", "shards"),
        *("sequence-column", "label-column", "id-column", "all-files", "on-error", "max-record"),
    ),
    "Vocabulary": ("vocab", "k", "canonical", "min-count", "max-size", "special", "subword"),
    "Model": (
        *("model", "objective", "checkpoint", "from-scratch", "start-from", "depths", "layer"),
        *("pooling", "window", "overlap", "truncate"),
    ),
    "Training": (
        *(
            "adapt",
            "freeze",
            "steps",
            "batch",
            "learning-rate",
            "schedule",
            "optimizer",
            "weight-decay",
        ),
        *("clip", "class-weights", "patience", "checkpoint-every"),
    ),
    "Evaluation": (
        *("heldout", "families", "folds", "test-share", "probe-every", "stop-when-gain-below"),
        *("wild-type", "wild-type-id", "marginal", "spacing", "by"),
    ),
    "Job": ("time", "notice", "name", "array"),
    "Output": ("out", "force", "per-token", "per-position", "effects", "plot", "json", "quiet"),
    "Machine": (
        *("mem", "threads", "device", "precision", "batch-tokens", "micro-tokens", "tmp"),
        *("gradient-checkpointing", "parallel", "shard", "engine", "scheduler", "tasks", "full"),
        *("partition", "account", "nodes", "cpus", "gpus", "processes"),
    ),
    "General": ("seed", "set", "config"),
}
#: Where ``--help`` stands, and what has no group.
LAST = "General"
_WIDEST = 30
#: How types of values are called.
_PLAIN = {" range>": ">", "<list[Path]>": "<path>", "<list[str]>": "<text>", "<str>": "<text>"}


def group_of(flag: str) -> str:
    """The group of an option such as ``--seed``."""
    name = flag.removeprefix("--")
    return next((group for group, names in GROUPS.items() if name in names), LAST)


class GroupedCommand(TyperCommand):
    """A command whose help shows arguments, then options by group, in two columns."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the help of all parameters."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{g: [] for g in GROUPS}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            is_argument = parameter.param_type_name == "argument"
            group = getattr(parameter, "rich_help_panel", None) or LAST
            name, text = record
            row = _plain(name), text.replace(f"0<=x<={2**63 - 1}", "x>=0")
            sections["Arguments" if is_argument else group].append(row)
        rows = [row for section in sections.values() for row in section]
        width = max(len(name) for name, _ in rows if len(name) <= _WIDEST)
        for title, section in sections.items():
            if section:
                with formatter.section(title):
                    rows = [(name.ljust(width), text) for name, text in section]
                    formatter.write_dl(rows, col_max=width)


class Program(TyperGroup):
    """The program itself: no variable sets what its own options do."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            # Clusters set SSLKIT_VERSION where the software is a module.
            vars(parameter)["allow_from_autoenv"] = False
        return parameters


def _plain(name: str) -> str:
    """An option and its value without the types of Python: ``--k <int>``."""
    for of_python, plain in _PLAIN.items():
        name = name.replace(of_python, plain)
    return name
