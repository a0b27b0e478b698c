"""Control characters of files do not reach a terminal."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit import tables
from sslkit.console import Console, Progress
from sslkit.errors import DataError
from sslkit.escapes import visible

Command = Callable[..., Any]

_RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u200b]")
#: Clears the screen, turns the direction of writing, and says that all is done.
_NAME = "a\x1b[2J\u202eb\x9b1mc\x7f\nsslkit: done"
_SHOWN = r"a\x1b[2J\u202eb\x9b1mc\x7f\nsslkit: done"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Ünïcödé, ДНК, 蛋白质, 🧬", "plain, Ünïcödé, ДНК, 蛋白质, 🧬"),
        (_NAME, _SHOWN),
        ("a\tb\r\0", r"a\tb\r\x00"),
        ("\udcff\u2067\ufeff\u2028", r"\udcff\u2067\ufeff\u2028"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_stay_where_they_are_wanted() -> None:
    assert visible("a\n\tb", "\n") == "a\n\\tb"


def test_everything_that_a_console_says(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.say(_NAME)
    console.warn(_NAME)
    console.fail(DataError(_NAME, where=_NAME, why="one\ntwo\x1b", do=_NAME.partition("\n")[0]))
    assert capsys.readouterr().err == (
        f"{_SHOWN}\nwarning: {_SHOWN}\nsslkit: {_SHOWN}\n  where: {_SHOWN}\n"
        "  why: one\n    two\\x1b\n" + f"  do: {_SHOWN.partition(chr(92) + 'n')[0]}\n"
    )
    console.show(_NAME)
    console.result({}, _NAME)
    tables.show(f"{_NAME}\ntwo", [_NAME], [[_NAME], ["[bold]x[/red]"]])
    out = capsys.readouterr().out
    assert not _RAW.search(out)
    assert "[bold]x[/red]" in out
    assert _SHOWN in out
    progress = Progress(_NAME, None, "records")
    progress.advance(1, "note\x1b[0m")
    assert not _RAW.search(progress.line())


def test_json_says_the_same_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).result({_NAME: _NAME})
    out = capsys.readouterr().out
    assert not _RAW.search(out)
    assert json.loads(out) == {_NAME: _NAME}


def test_names_of_files_and_records(sslkit: Command, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "\x1b[31mred\nname.fa").write_bytes(
        b">\x1b]0;title\x07\nACGT\n>two\n\n>x\nA\n"
    )
    (tmp_path / "t.csv").write_text("id,sequence,la\x1bbel\na\x1b[2J,ACGTACGT,\x1b[1m[/b]\n")
    for words in (
        ("inspect", "c", "t.csv"),
        ("inspect", "c", "t.csv", "--json"),
        ("build-vocab", "c", "--k", "3"),
        ("build-vocab", "no\x1b[2J"),
        ("build-vocab", "--no\x1b[2J\u202e"),
        ("build-vocab", "c", "--k", "\x1b[2J\u202e"),
        ("build-vocab", "c", "--set", "\x1b[2J\u202e=3"),
        ("show", "\x1b[2J\u202e"),
        ("\x1b[2J\u202e",),
    ):
        done = sslkit(*words, check=None)
        assert not _RAW.search(done.out + done.err), words
        assert "sslkit: done" not in done.err
