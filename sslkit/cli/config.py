"""--config: defaults of a command's options from a TOML file."""

import tomllib
import types
import typing
from collections.abc import Mapping
from inspect import unwrap
from pathlib import Path
from typing import Any

import typer

#: Where the values of ``set`` in a configuration file wait for those of the command line.
CONFIG_SET = "sslkit.set"
_WANTED: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
}


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take defaults from a TOML file: flags and SSLKIT_* variables go before it.

    A table with the name of the command goes before what stands outside of tables; tables of other
    commands are theirs.

    Raises:
        BadParameter: it cannot be read, or a value is not of the type of its option.
    """
    if path is None:
        return None
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}") from error
    values = _of_command(context, path, content)
    pairs = [pair for each in values.pop("set", []) for pair in _pairs(path, each)]
    known = {parameter.name: parameter for parameter in context.command.params}
    if unknown := sorted(set(values) - set(known)):
        raise typer.BadParameter(
            f"{path} sets {', '.join(unknown)}, which {context.info_name} does not know"
        )
    hints = typing.get_type_hints(unwrap(context.command.callback or read_config))
    for name, value in values.items():
        if wanted := _unlike(value, hints[name]):
            raise typer.BadParameter(f"{path}: {name} is {wanted}, not {value!r}")
        if known[name].callback is None:
            try:
                known[name].process_value(context, value)
            except typer.BadParameter as error:
                raise typer.BadParameter(f"{path}: {name}: {error.message}") from error
    context.default_map = values
    context.meta[CONFIG_SET] = pairs
    return path


def _of_command(context: typer.Context, path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """What of a file speaks of this command; under ``set`` a list of what it holds."""
    above: Any = context.parent
    own, others = str(context.info_name), set(above.command.commands)
    outside = {k: v for k, v in content.items() if k not in others}
    mine: dict[str, Any] = content.get(own, {})
    for name in others & set(content):
        if not isinstance(content[name], dict):
            raise typer.BadParameter(f"{path}: {name} is a table of options, not {content[name]!r}")
    settings = [part["set"] for part in (outside, mine) if "set" in part]
    return outside | mine | ({"set": settings} if settings else {})


def _pairs(path: Path, value: Any) -> list[str]:
    """Settings of plug-ins, a table or a list of ``name=value``, as ``--set`` has them."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(each, str | int | float):
                raise typer.BadParameter(
                    f"{path}: set.{name} is text, a number, true or false, not {each!r}"
                )
        return [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise typer.BadParameter(f"{path}: set is a table or a list of texts name=value, not {value!r}")


def _unlike(value: Any, hint: Any) -> str:
    """What a value should be, where it is not of the type of its option."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return min((_unlike(value, each) for each in inner if each is not types.NoneType), key=len)
    if origin is list:
        is_list = isinstance(value, list)
        fits = is_list and not any(_unlike(each, inner[0]) for each in value)
        return "" if fits else f"a list of {_WANTED.get(inner[0], _WANTED[str])}"
    kind = hint if hint in (bool, int, float) else str
    fitting = isinstance(value, int | float if kind is float else kind)
    return "" if fitting and isinstance(value, bool) == (kind is bool) else _WANTED[kind]
