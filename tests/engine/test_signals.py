"""Requests to stop set a flag; the work leaves at its own border."""

import contextlib
import os
import signal

import pytest

from sslkit.engine import signals
from sslkit.errors import RequeueError
from sslkit.machine import interrupts


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_signal_sets_the_flag_and_nothing_else(number: signal.Signals) -> None:
    with signals.stopping() as stop:
        stop.check("nothing")
        assert not stop
        assert stop.name == ""
        os.kill(os.getpid(), number)
        assert stop
        assert stop.name == number.name
        with pytest.raises(RequeueError, match=f"stopped by {number.name}: step 3 is kept") as told:
            stop.check("step 3 is kept")
        assert told.value.exit_code == 75


def test_second_ctrl_c_does_not_wait() -> None:
    with signals.stopping() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_second_sigterm_waits() -> None:
    with signals.stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_at_once_ends_the_work_where_it_is(number: signal.Signals) -> None:
    reached = []

    def work(stop: signals.Stop) -> None:
        with stop.at_once("two files are kept"):
            os.kill(os.getpid(), number)
            reached.append("behind the signal")

    with signals.stopping() as stop:
        with pytest.raises(RequeueError, match=f"{number.name}: two files are kept"):
            work(stop)
        with pytest.raises(RequeueError), stop.at_once("nothing"):
            reached.append("begun after the signal")
    assert not reached


def test_at_once_is_not_lost_in_code_that_catches_everything() -> None:
    with (
        signals.stopping() as stop,
        pytest.raises(RequeueError),
        stop.at_once("nothing"),
        contextlib.suppress(Exception),
    ):
        os.kill(os.getpid(), signal.SIGTERM)


def test_behind_at_once_a_signal_waits_again() -> None:
    with signals.stopping() as stop:
        with stop.at_once("nothing"):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in interrupts.STOPPING]
    with contextlib.suppress(ValueError), signals.stopping():
        raise ValueError
    assert [signal.getsignal(number) for number in interrupts.STOPPING] == before
