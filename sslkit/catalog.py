"""What plug-ins there are: a folder's files, and third parties' entry points.

The file's name is the name on the command line and the first line of its docstring is its help.
Only the file that was chosen is imported.
"""

import ast
import dataclasses
import difflib
import importlib
import types
import typing
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from sslkit import third_party
from sslkit.errors import UsageError

#: Folder of each kind of plug-in, by the word the command line uses for one of them.
FOLDERS = {
    "domain": "domains",
    "objective": "objectives",
    "model": "models",
    "schedule": "schedules",
    "optimizer": "optimizers",
    "adaptation": "adapt",
    "task": "tasks",
}
_SHOWN = 40


def _name(stem: str) -> str:
    return stem.replace("_", "-")


def _files(kind: str) -> dict[str, Path]:
    folder = Path(__file__).parent / FOLDERS[kind]
    return {_name(f.stem): f for f in sorted(folder.glob("*.py")) if not f.stem.startswith("_")}


def names(kind: str) -> list[str]:
    """The names that the command line accepts for one kind of plug-in, sorted."""
    return sorted({*_files(kind), *others(kind)})


def summary(kind: str, name: str) -> str:
    """The first line of a plug-in's docstring, read without importing it."""
    path = _files(kind).get(name)
    if path is None:
        return f"from {others(kind)[name].value}"
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]


def load(kind: str, name: str) -> types.ModuleType:
    """Import one plug-in.

    Raises:
        UsageError: there is none of that name, and the message lists those there are; or another
            package brings it, and it cannot be imported or breaks its contract.
    """
    if name in _files(kind):
        return importlib.import_module(f"sslkit.{FOLDERS[kind]}.{name.replace('-', '_')}")
    if point := others(kind).get(name):
        return third_party.load(kind, point)
    close = difflib.get_close_matches(name, names(kind), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"there is no {kind} {name!r}", do=f"{hint}there is: {', '.join(names(kind))}")


def loadable(kind: str) -> dict[str, types.ModuleType]:
    """All plug-ins of a kind by name; warns of those of other packages that are left out."""
    modules = {name: load(kind, name) for name in _files(kind)}
    usable, reasons = _usable(kind)
    for reason in reasons:
        third_party.warn(reason)
    return dict(sorted((modules | usable).items()))


def left_out(kind: str) -> list[str]:
    """Plug-ins of other packages that cannot be used and why, a sentence each."""
    return _usable(kind)[1]


def others(kind: str) -> dict[str, EntryPoint]:
    """Plug-ins of other packages by name; of several of one name the first."""
    points = third_party.points(FOLDERS[kind])
    return {p.name: p for p in reversed(points) if p.name not in _files(kind)}


def _usable(kind: str) -> tuple[dict[str, types.ModuleType], list[str]]:
    """Plug-ins of other packages by name, and of those that cannot be used why."""
    usable, reasons = {}, []
    mine = others(kind)
    for point in third_party.points(FOLDERS[kind]):
        if point.name not in mine or mine[point.name] != point:
            title = third_party.title(kind, point)
            reasons.append(f"{title} cannot be used: there is another one of that name")
            continue
        try:
            usable[point.name] = third_party.load(kind, point)
        except UsageError as error:
            reasons.append(f"{error.what}: {error.why}")
    return usable, reasons


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """``["width=256"]`` as ``{"width": "256"}``; a later one overrides an earlier one."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {pair!r} is not of the form name=value")
        found[name.strip()] = value.strip()
    return found


def settings(
    plugins: Mapping[str, types.ModuleType],
    pairs: Mapping[str, str],
    inherited: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Give every chosen plug-in its ``Settings``.

    Args:
        plugins: chosen modules by name, as ``{"genome": <module>, "mlm": <module>}``.
        pairs: values of ``--set`` by name, ``width`` or, where two plug-ins share it,
            ``transformer.width``.
        inherited: values that replace the defaults, by plug-in and name.

    Returns:
        a ``Settings`` instance by plug-in name.

    Raises:
        UsageError: a name that no plug-in has, that several have, or a value of another type.
    """
    owners: dict[str, list[str]] = {}
    for plugin, module in plugins.items():
        for field in dataclasses.fields(module.Settings):
            owners.setdefault(field.name, []).append(plugin)
            owners[f"{plugin}.{field.name}"] = [plugin]
    chosen: dict[str, dict[str, Any]] = {p: dict((inherited or {}).get(p, {})) for p in plugins}
    for name, text in pairs.items():
        if name not in owners:
            known = ", ".join(sorted(n for n in owners if "." in n)) or "none"
            close = difflib.get_close_matches(name, owners, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"--set knows no {name!r} here", do=f"{hint}there is: {known}")
        if len(owners[name]) > 1:
            both = " or ".join(f"{plugin}.{name}" for plugin in owners[name])
            raise UsageError(f"--set {name} could mean several things", do=f"write {both}")
        (plugin,) = owners[name]
        option = name.rpartition(".")[2]
        hints = typing.get_type_hints(plugins[plugin].Settings)
        chosen[plugin][option] = _convert(f"{plugin}.{option}", text, hints[option])
    return {plugin: _build(plugin, plugins[plugin], chosen[plugin]) for plugin in plugins}


def _build(plugin: str, module: types.ModuleType, values: Mapping[str, Any]) -> Any:
    known = {option.name for option in dataclasses.fields(module.Settings)}
    if unknown := sorted(set(values) - known):
        raise UsageError(
            f"{plugin} has no setting {', '.join(unknown)}",
            why="the artifact or configuration was written by another version",
        )
    hints = typing.get_type_hints(module.Settings)
    for option in dataclasses.fields(module.Settings):
        value = values.get(option.name, option.default)
        if value is not option.default and not _fits(value, hints[option.name]):
            raise UsageError(
                f"{plugin} refuses its settings",
                why=f"{option.name} is {_type(hints[option.name])}, not {str(value)[:_SHOWN]!r}",
            )
    try:
        return module.Settings(**values)
    except ValueError as error:
        raise UsageError(f"{plugin} refuses its settings", why=str(error)) from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value that was read from a file is of the type of a Settings field."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return type(value) is str and value in arguments
    if hint is types.NoneType:
        return value is None
    if hint is float:
        return type(value) in (int, float) and value == value  # NaN is not what it is
    return type(value) is hint if hint in (bool, int, str) else True


def _convert(name: str, text: str, hint: Any) -> Any:
    """``text`` as the type of a Settings field: bool, int, float, str, X | None, Literal."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if text.lower() in {"none", ""}:
            return None
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return _convert(name, text, inner)
    if origin is typing.Literal:
        if text in arguments:
            return text
        raise UsageError(f"{name} cannot be {text!r}", do=f"there is: {', '.join(arguments)}")
    if hint is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() in words:
            return words[text.lower()]
        raise UsageError(f"{name} is true or false, not {text!r}")
    try:
        return hint(text)
    except ValueError as error:
        raise UsageError(f"{name} wants {hint.__name__}, not {text!r}") from error


@dataclasses.dataclass(frozen=True)
class Option:
    """One line of ``sslkit show``: a setting's name, type, default and help."""

    name: str
    type: str
    default: str
    help: str


def options(module: types.ModuleType) -> list[Option]:
    """What ``--set`` can change of a plug-in."""
    hints = typing.get_type_hints(module.Settings)
    return [
        Option(
            field.name,
            _type(hints[field.name]),
            str(field.default),
            field.metadata.get("help", ""),
        )
        for field in dataclasses.fields(module.Settings)
    ]


def _type(hint: Any) -> str:
    """A type as people write it; the values of a Literal."""
    if typing.get_origin(hint) is typing.Literal:
        return "|".join(map(str, typing.get_args(hint)))
    return getattr(hint, "__name__", str(hint)).replace("typing.", "")


def check_fit(
    kind: str, name: str, needs: Iterable[str], domain: str, gives: Iterable[str]
) -> None:
    """Refuse an objective or a model whose needs a domain does not meet.

    Raises:
        UsageError: naming what is missing, and those that do fit.
    """
    if missing := sorted(set(needs) - set(gives)):
        fit = [n for n, module in loadable(kind).items() if asks(kind, module) <= set(gives)]
        raise UsageError(
            f"{kind} {name} does not fit domain {domain}",
            why=f"it needs {', '.join(missing)}; {domain} gives {', '.join(sorted(gives)) or '-'}",
            do=f"there fit: {', '.join(fit)}" if fit else "",
        )


def asks(kind: str, module: types.ModuleType) -> frozenset[str]:
    """What batches must hold for an objective or a model."""
    return frozenset(module.TAKES if kind == "model" else module.NEEDS)


def check_records(domain: str, module: types.ModuleType, what: str) -> None:
    """Refuse a domain that has no records.

    Args:
        what: that cannot be done without, as ``there is nothing to embed``.

    Raises:
        UsageError: naming the domains that have records.
    """
    if not hasattr(module, "ENDINGS"):
        others = [n for n, other in loadable("domain").items() if hasattr(other, "ENDINGS")]
        raise UsageError(
            f"domain {domain} has no records: {what}",
            do=f"{domain} begins and ends with sslkit pretrain; records have: {', '.join(others)}",
        )
