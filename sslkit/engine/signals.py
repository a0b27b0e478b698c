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
        self._kept: str | None = None

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
        if self and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number)
        # Once: a further signal must not disturb the cleaning up.
        kept, self._kept = self._kept, None
        if kept is not None:
            self.check(kept)


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
