"""Standard streams that cannot stop the work: closed, abandoned by their reader, or of few letters.

A reader that goes away (``2>&1 | head``, a terminal that was closed) and a log on a full disk lose
messages, and nothing else. Results that nobody wants to read are no loss; results that could not be
stored are, and ``check`` tells of them when the work is done.
"""

import errno
import io
import os
import sys
from typing import TextIO

from sslkit.errors import ResourceError

_OUT, _ERR = 1, 2


class Stream(io.TextIOWrapper):
    """Text to a standard stream; letters that it cannot say are written as backslash escapes.

    After the first failure what is written goes nowhere, also what libraries write to the same
    descriptor and what is still in a buffer.

    Attributes:
        failure: why nothing can be written any more; None while all is well.
    """

    failure: OSError | None = None

    def write(self, text: str, /) -> int:
        """Write as a text file does, or give up."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush as a text file does, or give up."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failure = error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)


def settle() -> None:
    """Make ``sys.stdout`` and ``sys.stderr`` such streams; for the beginning of a process.

    The numbers 0 to 2 are taken where they are closed: a file that is opened next would get one of
    them, and messages would be written into it. ``sys.stdin`` stays None where it is closed.
    """
    for number in range(3):
        if not _is_open(number):
            # Gets the lowest free number, which is this one; reading from it fails.
            os.open(os.devnull, os.O_WRONLY)
    sys.stdout = _stream(sys.stdout, _OUT)
    sys.stderr = _stream(sys.stderr, _ERR)


def check() -> None:
    """Write what is still in the buffer of stdout.

    Raises:
        ResourceError: a part of the results could not be stored.
    """
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    if failure is not None and failure.errno != errno.EPIPE:
        raise ResourceError(
            "the result cannot be written to standard output",
            why=os.strerror(failure.errno),
            do="the same command shows it again",
        )


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _stream(old: TextIO | None, number: int) -> Stream:
    if not isinstance(old, io.TextIOWrapper):
        return Stream(open(number, "wb", closefd=False), "utf-8", "backslashreplace")
    return Stream(
        old.buffer,
        old.encoding,
        "backslashreplace",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )
