"""Requests to stop that come while nothing is begun: the process ends at once.

Loading libraries takes seconds on a busy machine, and a scheduler does not wait for it. What hears
them once there is work is ``engine.signals``.
"""

import os
import signal
import types
from collections.abc import Iterator
from contextlib import contextmanager

#: What a scheduler sends before it takes a job away, what a person sends with Ctrl-C, and what a
#: terminal sends when it is closed.
STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)
#: The exit code of ``errors.RequeueError``, which is not loaded yet.
_REQUEUE = 75


def heard() -> tuple[signal.Signals, ...]:
    """The signals of ``STOPPING`` that are acted upon: nohup has a process ignore SIGHUP."""
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return tuple(s for s in STOPPING if s != signal.SIGHUP or not is_ignored)


def leave_at_once() -> None:
    """End the process at the next request, and at one that was ``held_back``."""
    for number in heard():
        signal.signal(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def leave(number: int, _frame: types.FrameType | None) -> None:
    """Signal handler: end the process, whatever it is loading."""
    text = f"sslkit: stopped by {signal.Signals(number).name}: nothing was begun\n"
    try:
        os.write(2, (text + "  do: the same command line continues\n").encode())
    finally:
        os._exit(_REQUEUE)


@contextmanager
def held_back() -> Iterator[None]:
    """Have requests wait for the end of the block, or for the program that takes this one's place.

    That program hears them when it calls ``leave_at_once``.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def ignore() -> None:
    """Take no more requests: the work is done, and the exit code tells of it."""
    for number in heard():
        signal.signal(number, signal.SIG_IGN)
