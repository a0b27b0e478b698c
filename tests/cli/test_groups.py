"""Help: every option in a group, no line longer than a terminal of 80 columns."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import typer

from sslkit.cli import groups
from sslkit.cli.commands import app

COMMANDS: dict[str, Any] = dict(vars(typer.main.get_command(app))["commands"])
HEADINGS = ["Arguments", *groups.GROUPS]


def sections(text: str) -> dict[str, list[str]]:
    """The names of arguments and options under each heading of a help text."""
    lines: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"([A-Z]\w+):", line):
            heading = match[1]
            lines[heading] = []
        elif heading and (match := re.match(r"  (?:-\w, )?(--[a-z-]+|[a-z]\w*)", line)):
            lines[heading].append(match[1])
    return lines


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_its_group(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = command(name, "--help").out
    assert max(map(len, text.splitlines())) <= 80
    shown = sections(text)
    assert list(shown) == [heading for heading in HEADINGS if heading in shown]
    shown_in = {option: heading for heading, names in shown.items() for option in names}
    listed = {f"--{flag}" for flags in groups.GROUPS.values() for flag in flags}
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "argument":
            assert parameter.name in shown["Arguments"] or parameter.metavar
            continue
        (flag, *_) = [option for option in parameter.opts if option.startswith("--")]
        assert flag in listed, f"{flag} has no group in cli/groups.py"
        assert shown_in[flag] == parameter.rich_help_panel
    assert shown["General"][-1] == "--help"


def test_an_option_is_in_one_group() -> None:
    flags = [flag for names in groups.GROUPS.values() for flag in names]
    assert len(flags) == len(set(flags))
    used = {option for c in COMMANDS.values() for p in c.params for option in p.opts}
    assert {f"--{flag}" for flag in flags} <= used


def test_values_of_options_are_named_without_types_of_a_language(
    command: Callable[..., Any],
) -> None:
    text = command("pretrain", "--help").out
    assert "--k <int>  " in text
    assert "--model <text>  " in text
    assert "corpus... <path>  " in text
    assert "9223372036854775807" not in text


def test_options_of_one_name_may_stand_elsewhere_in_another_command(
    command: Callable[..., Any],
) -> None:
    assert "--task" in sections(command("pretrain", "--help").out)["Evaluation"]
    assert "--task" in sections(command("probe", "--help").out)["Data"]


def test_the_version_and_no_variable_for_it(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SSLKIT_VERSION", "SSLKIT_SHOW_COMPLETION", "SSLKIT_INSTALL_COMPLETION"):
        monkeypatch.setenv(variable, "1")
    assert command("show", "schedule").out.startswith("KIND")
    assert re.fullmatch(r"sslkit \d+\.\d+\.\d+\n", command("--version").out)
    text = command("--help").out
    assert max(map(len, text.splitlines())) <= 80
    assert "SSLKIT_VERSION" not in text
    assert "SSLKIT_SHOW_COMPLETION" not in text
