"""What a run writes while it goes: metrics that repeat, and a log of clock and speed."""

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslkit.artifacts import metrics
from sslkit.artifacts.run import RunFolder
from sslkit.files import atomic

_LOG_SECONDS = 10.0


class RunLog:
    """Writes ``metrics.jsonl`` and ``log.jsonl``; ``silent`` processes write nothing."""

    def __init__(self, folder: RunFolder, *, silent: bool, unit: str = "tokens") -> None:
        self._folder = folder
        self._silent = silent
        self._unit = unit
        self._began = self._since = time.monotonic()
        self._before = 0.0
        self._read = 0

    def rewind(self, step: int) -> None:
        """Forget the rows after ``step``: they will be written again."""
        if self._silent or not self._folder.metrics.is_file():
            return
        spent = seconds(self._folder.log)
        self._before = max((spent[at] for at in spent if at <= step), default=0.0)
        rows = metrics.rows(self._folder.metrics)
        kept = [json.dumps(row) + "\n" for row in rows if row["step"] <= step]
        atomic.write_text(self._folder.metrics, "".join(kept))

    def write(self, row: Mapping[str, Any], read: int) -> None:
        """Add the row of one step, in which so many tokens (or other units) were read."""
        if self._silent:
            return
        _append(self._folder.metrics, row)
        self._read += read
        probed = any(name.startswith("probe_") for name in row)
        if (passed := time.monotonic() - self._since) > _LOG_SECONDS or probed:
            entry = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "host": platform.node(),
                "process": os.getpid(),
                "step": row["step"],
                f"{self._unit}_per_second": round(self._read / max(passed, 1e-9), 1),
                "seconds": round(self._before + time.monotonic() - self._began, 1),
            }
            _append(self._folder.log, entry)
            self._since, self._read = time.monotonic(), 0


def seconds(log: Path) -> dict[int, float]:
    """Seconds of the clock since a run began, without its interruptions, at steps it tells of."""
    return {
        row["step"]: float(row["seconds"])
        for row in metrics.whole_rows(log)
        if isinstance(row.get("seconds"), int | float)
    }


def _append(path: Path, row: Mapping[str, Any]) -> None:
    line = (json.dumps(row) + "\n").encode()
    with atomic.writing(path), path.open("ab", buffering=0) as stream:
        size = stream.tell()
        try:
            written = stream.write(line)
            if written < len(line):
                # The rest of a line that did not fit says why.
                stream.write(line[written:])
        except OSError:
            stream.truncate(size)
            raise
