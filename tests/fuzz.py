"""Damage for tests: files changed at random, and commands that read them in a child process.

A child has limits of memory and time, so that a reader which takes too much of either, or
crashes, is a failed test and not a failed test run.
"""

import json
import multiprocessing
import os
import random
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sslkit.cli.commands import app
from sslkit.engine import runtime
from sslkit.errors import SslkitError

T = TypeVar("T")
#: How a command may end: done, refused as usage or as bad data, or out of a resource.
_STAGES = ("build_vocab", "pretrain", "embed", "score", "finetune", "probe", "show", "scaling")
ALLOWED = {0, 2, 3, 4}
_HUGE = (0, -1, 1, 2**31 - 1, 2**63, 10**7, 10**9, 10**30)
_ODD = (*_HUGE, -0.5, 1e300, float("nan"), float("inf"), None, True, "", "x", "\0\x1b[31m", "名前",
        "../..", [], [1], {}, {"a": 1})  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to three small changes: flipped, overwritten, cut, repeated, left out."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        size = len(changed)
        place = rng.randrange(size) if size else 0
        some = rng.randint(1, 16)
        kind = rng.choice(("flip", "flip", "byte", "word", "cut", "repeat", "drop", "noise"))
        if kind == "cut" or not size:
            del changed[place:]
        elif kind == "flip":
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == "byte":
            changed[place] = rng.choice((0, 9, 10, 13, 32, 34, 44, 62, 127, 128, 255))
        elif kind == "word":
            word = rng.choice((b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0" * 4, b"\0\0\0\x80"))
            changed[place : place + 4] = word
        elif kind == "repeat":
            changed[place:place] = changed[place : place + some]
        elif kind == "drop":
            del changed[place : place + some]
        else:
            changed[place : place + some] = rng.randbytes(some)
    return bytes(changed)


def mutate_json(value: Any, rng: random.Random) -> Any:
    """A copy in which one entry, at any depth, is gone, is something odd, or has another name."""
    copy = json.loads(json.dumps(value))
    places = list(_places(copy))
    if not places:
        return rng.choice(_ODD)
    inside, key = rng.choice(places)
    kind = rng.random()
    if kind < 0.15:
        del inside[key]
    elif kind < 0.25 and isinstance(inside, dict):
        inside[f"{key}x"] = inside.pop(key)
    else:
        inside[key] = rng.choice(_ODD)
    return copy


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def attempt(read: Callable[[], T]) -> T | SslkitError:
    """What a reader gives, or how it refuses."""
    try:
        return read()
    except SslkitError as error:
        return error


@dataclass(frozen=True)
class Ended:
    """How a command in a child ended: its exit code, minus a signal's number, and its stderr."""

    code: int
    err: str

    def check(self, what: str) -> None:
        """Fail unless the exit code is one of those that are promised, and without a traceback."""
        assert self.code in ALLOWED, f"{what}: exit code {self.code}\n{self.err}"
        assert "Traceback" not in self.err, f"{what}:\n{self.err}"


class Children:
    """Runs commands of sslkit, each in a child of a process that has loaded all of it.

    Args:
        memory: bytes that a child may take beyond what it begins with.
        seconds: of the clock, after which a child is killed.
    """

    def __init__(self, *, memory: int = 2**30, seconds: float = 60) -> None:
        self._memory, self._seconds = memory, seconds
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["pytest", "torch", "scipy.stats", "sklearn.linear_model", "sslkit.cli.commands"]
            + [f"sslkit.stages.{stage}.run" for stage in _STAGES]
        )

    def run(self, words: Sequence[str | Path], folder: Path) -> Ended:
        """Run ``sslkit`` with these words in a folder."""
        log = folder.with_name(folder.name + ".stderr")
        child = self._context.Process(
            target=_child, args=(list(map(str, words)), str(folder), str(log), self._memory)
        )
        child.start()
        child.join(self._seconds)
        if child.is_alive():
            child.kill()
        child.join()
        code = child.exitcode if child.exitcode is not None else -signal.SIGKILL
        return Ended(code, log.read_text("utf-8", "replace") if log.exists() else "")


def _child(words: list[str], folder: str, log: str, memory: int) -> None:
    stream = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(stream, 2)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.chdir(folder)
    # Which routine multiplies is tried out in a second, and no reader's concern.
    runtime.quick_products = bool
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        app(words, standalone_mode=True)
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        os._exit(70)
    os._exit(0)
