"""Completion by the shell: installed once, and quick where it is asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit.cli.commands import app


@pytest.mark.parametrize(
    ("words", "place", "completed"),
    [
        ("sslkit pre", 1, ["pretrain"]),
        ("sslkit s", 1, ["score", "scaling", "slurm", "show"]),
        ("sslkit pretrain --obj", 2, ["--objective"]),
        ("sslkit embed --pooling m", 3, ["mean", "max"]),
    ],
)
def test_what_is_completed(
    sslkit: Callable[..., Any], words: str, place: int, completed: list[str]
) -> None:
    done = sslkit(_SSLKIT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(place))
    assert done.out.split() == completed


def test_it_is_installed_for_the_name_of_the_program(
    sslkit: Callable[..., Any], tmp_path: Path
) -> None:
    # Without the detection of the shell that runs the tests, which may be none.
    detection = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    sslkit("--install-completion", "bash", HOME=str(tmp_path), **detection)
    script = (tmp_path / ".bash_completions" / "sslkit.sh").read_text("utf-8")
    assert "_SSLKIT_COMPLETE=complete_bash" in script
    assert "sslkit.sh" in (tmp_path / ".bashrc").read_text("utf-8")
    shown = sslkit("--show-completion", "zsh", HOME=str(tmp_path), **detection).out
    assert shown.startswith("#compdef sslkit")


def test_all_commands_can_be_completed(sslkit: Callable[..., Any]) -> None:
    done = sslkit(_SSLKIT_COMPLETE="complete_bash", COMP_WORDS="sslkit ", COMP_CWORD="1")
    assert done.out.split() == [command.name for command in app.registered_commands]
