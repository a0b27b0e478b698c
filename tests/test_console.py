"""What goes to stdout, to a terminal, to a log file."""

import io
import json

import pytest

from sslkit import console
from sslkit.console import Console
from sslkit.errors import DataError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(console.time, "monotonic", made)
    return made


def test_messages_go_to_stderr_and_results_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Console()
    plain.say("reading")
    plain.warn("odd")
    plain.fail(DataError("it fails", where="a.fa"))
    plain.result({"n": 1}, "one")
    out, err = capsys.readouterr()
    assert out == "one\n"
    assert err == "reading\nwarning: odd\nsslkit: it fails\n  where: a.fa\n"


def test_quiet_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Console(quiet=True)
    quiet.say("reading")
    quiet.warn("odd")
    quiet.result({"n": 1}, "one")
    with quiet.progress("train", 3, "steps") as progress:
        progress.advance(3)
    assert capsys.readouterr() == ("", "warning: odd\n")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True, quiet=True).result({"b": 1, "a": [2]}, "text")
    assert json.loads(capsys.readouterr().out) == {"b": 1, "a": [2]}


def test_a_log_gets_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("train", 100, "steps") as progress:
        for _ in range(80):
            clock.now += 1
            progress.advance(1, "loss 2.50")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "train: 31 of 100 steps (31%), 1 steps/s, 1m09s left, loss 2.50",
        "train: 62 of 100 steps (62%), 1 steps/s, 38s left, loss 2.50",
    ]


def test_a_terminal_gets_one_line_that_is_wiped_at_the_end(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with Console().progress("read", None, "bases") as progress:
        clock.now += 10
        progress.advance(2e6)
    assert screen.getvalue() == "\r\x1b[2Kread: 2.0M bases, 200.0k bases/s\r\x1b[2K"


def test_a_continued_run_rates_only_its_own_work(clock: Clock) -> None:
    progress = console.Progress("train", 100, "steps")
    progress.start_at(50)
    clock.now += 10
    progress.advance(10)
    assert progress.line() == "train: 60 of 100 steps (60%), 1 steps/s, 40s left"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.2"), (12, "12"), (950, "950"), (12_345, "12.3k"), (4.6e6, "4.6M"),
     (3e9, "3.0G"), (2e12, "2.0T")],
)  # fmt: skip
def test_human(value: float, text: str) -> None:
    assert console.human(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.4, "59s"), (59.6, "1m00s"), (200, "3m20s"), (7500, "2h05m")],
)
def test_duration(seconds: float, text: str) -> None:
    assert console.duration(seconds) == text
