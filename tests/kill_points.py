"""Commands that are killed at their n-th file operation: a server that forks one for each request.

As a program it reads requests from its input, one JSON object a line, and answers each with one.
All that takes long to load is loaded once. A request names the words behind ``sslkit``, the
``folder`` to run in, the ``root`` below which operations count, the ``scratch`` folder, the file
``stdin``, and ``at``: the number of the operation at which the process is killed, 0 for never. The
answer has the exit ``code`` (below 0: by a signal), the ``operations`` in order, and what was said.

An operation is whatever changes a folder or a file by name, and each write to a file: the process
is killed before it, and within a write, when half of the bytes are out.
"""

import builtins
import importlib
import io
import json
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO, Any

_CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link",
    "os.symlink",
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
#: Work is put aside after every piece of it, so that there is something to continue.
_EAGER = (
    ("sslkit.inference.embedding", "_MOST_SECONDS"),
    ("sslkit.stages.score.work", "_KEEP_SECONDS"),
)
_open = io.open


class Counter:
    """Counts the operations below ``root``, and kills the process at one of them."""

    def __init__(self, root: str, at: int, report: int) -> None:
        self.root = root
        self.at = at
        self.report = report
        self.count = 0

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Audit hook: called before the operation."""
        if event in _CHANGES:
            # shutil.rmtree works with names in an open folder.
            folder = args[-1] if event in {"os.remove", "os.rmdir"} else -1
        elif event == "open" and isinstance(args[2], int) and args[2] & _WRITES:
            folder = -1
        else:
            return
        if not isinstance(args[0], int) and self.is_due(event, args[0], folder):
            self.kill()

    def is_due(self, event: str, name: Any, folder: int = -1) -> bool:
        """Count an operation; whether it is the one."""
        base = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path.cwd()
        path = Path(os.path.normpath(base / os.fsdecode(name)))
        if not path.is_relative_to(self.root):
            return False
        self.count += 1
        os.write(self.report, f"{event} {path.relative_to(self.root)}\n".encode())
        return self.count == self.at

    def kill(self) -> None:
        """End the process as a scheduler or the system does."""
        os.kill(os.getpid(), signal.SIGKILL)


class _Counted(io.FileIO):
    """A file whose writes are operations."""

    counter: Counter

    def write(self, data: Any, /) -> int:
        held = memoryview(data).cast("B")
        if isinstance(self.name, str | bytes | os.PathLike) and self.counter.is_due(
            "write", self.name
        ):
            super().write(held[: len(held) // 2])
            self.counter.kill()
        return super().write(data)


def _opened(
    file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
    errors: str | None = None, newline: str | None = None, closefd: bool = True,
    opener: Any = None,
) -> IO[Any]:  # fmt: skip
    """``open``, where what is written goes through a counted file."""
    if not set(mode) & set("wax+") or isinstance(file, int):
        return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    raw = _Counted(file, mode.replace("b", "").replace("t", ""), closefd, opener)
    if buffering == 0:
        return raw
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


def _run(request: dict[str, Any], said: int, report: int) -> int:
    """The forked process."""
    stdin = os.open(request.get("stdin") or os.devnull, os.O_RDONLY)
    for number, target in ((stdin, 0), (said, 1), (said, 2)):
        os.dup2(number, target)
    os.chdir(request["folder"])
    for name in ("TMPDIR", "SLURM_TMPDIR"):
        os.environ.pop(name, None)
    os.environ["TMPDIR"] = request["scratch"]
    tempfile.tempdir = None
    sys.argv = ["sslkit", *request["words"]]
    _Counted.counter = counter = Counter(request["root"], request["at"], report)
    io.open = builtins.open = _opened
    sys.addaudithook(counter.hook)
    try:
        importlib.import_module("sslkit.cli.commands").app(args=request["words"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one command to its end."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as report:
        child = os.fork()
        if not child:
            os._exit(_run(request, said.fileno(), report.fileno()))
        _, status = os.waitpid(child, 0)
        said.seek(0)
        report.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "operations": report.read().decode().splitlines(),
            "said": said.read().decode(errors="replace"),
        }


def load() -> None:
    """Import all that commands import late."""
    stages = importlib.import_module("sslkit.stages")
    for found in pkgutil.walk_packages(stages.__path__, "sslkit.stages."):
        importlib.import_module(found.name)
    for name in ("sslkit.cli.commands", "torch._dynamo", "matplotlib.figure"):
        importlib.import_module(name)
    for module, name in _EAGER:
        assert hasattr(sys.modules[module], name)
        setattr(sys.modules[module], name, 0.0)


if __name__ == "__main__":
    load()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
