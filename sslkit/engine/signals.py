"""Requests to stop, heard at once and acted upon at a border that the work chooses."""

import signal
import types
from collections.abc import Iterator
from contextlib import contextmanager

from sslkit.errors import RequeueError

#: What a scheduler sends before it takes a job away, and what a person sends with Ctrl-C.
STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Stop:
    """Whether somebody asked the process to stop, and by which signal."""

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None

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

    def hear(self, number: int, _frame: types.FrameType | None) -> None:
        """Signal handler. A second Ctrl-C does not wait for the border.

        Raises:
            KeyboardInterrupt: SIGINT, and somebody had asked before.
        """
        if self and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number)


@contextmanager
def stopping() -> Iterator[Stop]:
    """While the block runs, SIGTERM, SIGUSR1 and SIGINT set a flag and do nothing else.

    The handlers of before are put back at the end. Main thread only, as Python demands.
    """
    stop = Stop()
    before = {number: signal.signal(number, stop.hear) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
