"""Requests to stop, heard at once and acted upon at a border that the work chooses."""

import os
import signal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

from sslkit.errors import RequeueError
from sslkit.machine import interrupts


class Stop:
    """Whether somebody asked the process to stop, and by which signal."""

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None
        self._kept: str | None = None
        self._is_over = False

    def __bool__(self) -> bool:
        return self._signal is not None

    @property
    def name(self) -> str:
        """The signal's name, as SIGTERM; empty while nobody asked."""
        return self._signal.name if self._signal else ""

    def check(self, kept: str) -> None:
        """Leave the work where it may be left.

        Args:
            kept: what was kept of it, as ``step 200 is in pretrained/``.

        Raises:
            RequeueError: somebody asked to stop.
        """
        if self:
            raise RequeueError(
                f"stopped by {self.name}: {kept}", do="the same command line continues"
            )

    @contextmanager
    def at_once(self, kept: str) -> Iterator[None]:
        """While the block runs, a request ends it wherever it is.

        For work that writes whole files only and may take long between two borders.

        Args:
            kept: what was kept of the work, as in ``check``.

        Raises:
            RequeueError: somebody asked to stop, perhaps before.
        """
        self.check(kept)
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None
        # Code of others may have taken the error for one of its own.
        self.check(kept)

    def hear(self, number: int, _frame: types.FrameType | None) -> None:
        """Signal handler. A second Ctrl-C does not wait for the border.

        Raises:
            KeyboardInterrupt: SIGINT, and somebody had asked before.
            RequeueError: within ``at_once``.
        """
        if self._is_over:
            return
        if self and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number)
        # Once: a further signal must not disturb the cleaning up.
        kept, self._kept = self._kept, None
        if kept is not None:
            self.check(kept)

    def end(self) -> None:
        """Take no more requests, and forget that there was one."""
        self._is_over, self._signal, self._kept = True, None, None


@contextmanager
def stopping() -> Iterator[Stop]:
    """While the block runs, requests to stop set a flag and do nothing else.

    At the end the handlers of before are put back, except the one for processes that have begun
    nothing: further requests are then ignored. So they are by a ``Stop`` around this one, whose
    work the block was: that is done now, or has failed and is being cleaned up.
    Main thread only, as Python demands.

    Raises:
        RequeueError: somebody asked to stop before.
    """
    stop = Stop()
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(outer, Stop):
        # Code of others may have taken its error for one of its own.
        outer.check("nothing was begun")
    before = {number: signal.signal(number, stop.hear) for number in interrupts.heard()}
    try:
        yield stop
    finally:
        if isinstance(outer, Stop):
            outer.end()
        for number, handler in before.items():
            begun = handler is interrupts.leave
            signal.signal(number, signal.SIG_IGN if begun else handler)


@contextmanager
def leaving() -> Iterator[None]:
    """End the process at a request, also while a library waits and lets no signal handler run.

    For what comes before there is anything to keep.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    watcher = threading.Thread(target=_watch, args=(reading,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def _watch(reading: int) -> None:
    """Leave at the first request among the numbers of signals that come through a pipe."""
    while number := os.read(reading, 1):
        if number[0] in interrupts.STOPPING:
            interrupts.leave(number[0], None)
