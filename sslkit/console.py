"""What a person or a log file sees: messages, progress and results.

Messages and progress go to stderr, results to stdout. Bars are drawn on a terminal only; a log
file gets a plain line now and then.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from sslkit.errors import SslkitError
from sslkit.escapes import visible

_LOG_SECONDS = 30.0
#: What makes the lines of a text of several.
_BREAKS = "\n"


class Progress:
    """Counts finished units and shows rate and time left."""

    def __init__(self, label: str, total: float | None, unit: str) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0.0
        self.note = ""
        self._first = 0.0
        self._start = time.monotonic()

    def start_at(self, done: float) -> None:
        """Continue a run of which ``done`` units were finished before."""
        self.done = self._first = done

    def advance(self, amount: float, note: str = "") -> None:
        """Count ``amount`` more units; ``note`` is a short text such as the loss."""
        self.done += amount
        if note:
            self.note = note

    def line(self) -> str:
        """The state as one plain line."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = (self.done - self._first) / seconds
        parts = [f"{self.label}: {human(self.done)}"]
        if self.total:
            parts[0] += f" of {human(self.total)} {self.unit} ({self.done / self.total:.0%})"
        else:
            parts[0] += f" {self.unit}"
        parts.append(f"{human(rate)} {self.unit}/s")
        if self.total and rate > 0:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        if self.note:
            parts.append(self.note)
        return visible(", ".join(parts))


class _Live(Progress):
    """Progress that redraws one line of a terminal."""

    def __init__(self, label: str, total: float | None, unit: str, stream: IO[str]) -> None:
        super().__init__(label, total, unit)
        self._stream = stream
        self._shown = 0.0

    def advance(self, amount: float, note: str = "") -> None:
        super().advance(amount, note)
        now = time.monotonic()
        if now - self._shown > 0.1:
            self._shown = now
            self._stream.write(f"\r\x1b[2K{self.line()}")
            self._stream.flush()

    def close(self) -> None:
        self._stream.write("\r\x1b[2K")
        self._stream.flush()


class _Logged(Progress):
    """Progress that writes a plain line every half minute."""

    def __init__(self, label: str, total: float | None, unit: str, stream: IO[str]) -> None:
        super().__init__(label, total, unit)
        self._stream = stream
        self._shown = time.monotonic()

    def advance(self, amount: float, note: str = "") -> None:
        super().advance(amount, note)
        now = time.monotonic()
        if now - self._shown > _LOG_SECONDS:
            self._shown = now
            print(self.line(), file=self._stream, flush=True)


class Console:
    """Where a stage says what it does. ``quiet`` leaves only warnings, errors and results."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self._out = sys.stdout
        self._err = sys.stderr

    def say(self, text: str) -> None:
        """A message about the work, on stderr."""
        if not self.quiet:
            print(visible(text), file=self._err, flush=True)

    def warn(self, text: str) -> None:
        """A message that quiet runs show too."""
        print(f"warning: {visible(text)}", file=self._err, flush=True)

    def fail(self, error: SslkitError) -> None:
        """An error as a user should see it; where nothing can be said the exit code stays."""
        with suppress(OSError):
            print(f"sslkit: {_lines(error)}", file=self._err, flush=True)

    @contextmanager
    def progress(self, label: str, total: float | None, unit: str) -> Iterator[Progress]:
        """Show progress of ``total`` units while the block runs."""
        if self.quiet:
            yield Progress(label, total, unit)
        elif self._err.isatty():
            bar = _Live(label, total, unit, self._err)
            try:
                yield bar
            finally:
                bar.close()
        else:
            yield _Logged(label, total, unit, self._err)

    def show(self, text: str) -> None:
        """A part of the outcome, on stdout, for a person; ``result`` gives machines the whole."""
        if not self.as_json and not self.quiet:
            print(visible(text, _BREAKS), file=self._out, flush=True)

    def result(self, values: Mapping[str, Any], text: str = "", *, exact: bool = False) -> None:
        """The outcome of a command: one JSON object with ``--json``, else ``text``.

        Args:
            exact: the text is a file of its own, and printed as it stands.
        """
        if self.as_json:
            # JSON may hold a DEL as it is; a terminal need not see one.
            line = json.dumps(values, indent=None, sort_keys=False).replace("\x7f", "\\u007f")
            print(line, file=self._out, flush=True)
        elif text and not self.quiet:
            print(text if exact else visible(text, _BREAKS), file=self._out, flush=True)


def _lines(error: SslkitError) -> str:
    """An error as text: names stay on their line, and an explanation of several is indented."""
    lines = [visible(error.what)]
    for name, text in error.details():
        shown = visible(text) if name == "where" else visible(text, _BREAKS)
        lines.append(f"  {name}: " + "\n    ".join(shown.split("\n")))
    return "\n".join(lines)


def human(value: float) -> str:
    """A count in a few characters: 950, 12.3k, 4.6M."""
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if suffix == 'k' else limit):.1f}{suffix}"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45s, 3m20s, 2h05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m"


def plural(count: int, what: str) -> str:
    """So many of something: 1 file, 2 files."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
