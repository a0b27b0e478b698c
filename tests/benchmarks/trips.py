"""How many files of sslkit a batch's way to the loss enters, and a label's way to its metric.

    python tests/benchmarks/trips.py [--list]

Small runs of pretrain, finetune and probe are watched by ``sys.setprofile`` from the first line
of the stage to the first return of what the trip leads to. A file counts where one of its functions
is called; what is merely imported does not. It is a report for whoever moves code, and no limit.
"""

import argparse
import inspect
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import sslkit
from sslkit.cli.commands import app

_PACKAGE = f"{Path(sslkit.__file__).parent}{os.sep}"
_COMMON = ("--threads", "1", "--device", "cpu", "--quiet")
_SIZE = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2")


@dataclass(frozen=True)
class Trip:
    """From the call of one function to the first return of another, within one command.

    Attributes:
        begin, end: file within the package, and the function's qualified name.
    """

    name: str
    words: tuple[str, ...]
    begin: tuple[str, str]
    end: tuple[str, str]


TRIPS = (
    Trip(
        "a batch's way from its file to the loss (pretrain)",
        ("pretrain", "--steps", "1", "--window", "32", "--batch-tokens", "256", *_SIZE, *_COMMON),
        ("stages/pretrain/run.py", "run"),
        ("engine/learner.py", "Learner.forward"),
    ),
    Trip(
        "a label's way from its file to a metric (finetune)",
        ("finetune", "--task", "promoter", "--steps", "1", *_COMMON),
        ("stages/finetune/run.py", "run"),
        ("probes/intervals.py", "bootstrap"),
    ),
    Trip(
        "a label's way from its file to a metric (probe)",
        ("probe", "--task", "promoter", *_COMMON),
        ("stages/probe/run.py", "run"),
        ("probes/intervals.py", "bootstrap"),
    ),
)


class Watch:
    """Notes the files whose functions are called between a trip's begin and its end."""

    def __init__(self, trip: Trip) -> None:
        self.files: set[str] = set()
        self._trip = trip
        self._is_on = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """What ``sys.setprofile`` calls."""
        del argument
        code = frame.f_code
        # The bodies of modules and classes run where they are imported, and are no functions.
        if not (code.co_filename.startswith(_PACKAGE) and code.co_flags & inspect.CO_OPTIMIZED):
            return
        place = code.co_filename.removeprefix(_PACKAGE), code.co_qualname
        if event == "call":
            self._is_on |= place == self._trip.begin
            if self._is_on:
                self.files.add(place[0])
        elif event == "return" and self._is_on and place == self._trip.end:
            sys.setprofile(None)


def files(trip: Trip) -> list[str]:
    """The files that a trip enters, sorted; the command is run in the present folder."""
    watch = Watch(trip)
    sys.setprofile(watch)
    try:
        app(list(trip.words), standalone_mode=False)
    finally:
        sys.setprofile(None)
    return sorted(watch.files)


@contextmanager
def small_inputs() -> Iterator[None]:
    """A folder with a small genome, its vocabulary and labels, to work in."""
    random = np.random.default_rng(7)

    def letters(size: int) -> str:
        return "".join(random.choice(list("ACGT"), size))

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("genome.fa").write_text("".join(f">chr{n}\n{letters(2000)}\n" for n in range(3)))
        labels = (f"s{n},{letters(60)},{n % 2}" for n in range(60))
        Path("labels").mkdir()
        Path("labels/promoter.csv").write_text("\n".join(["id,sequence,label", *labels]) + "\n")
        app(["build-vocab", "genome.fa", "--k", "3", "--quiet"], standalone_mode=False)
        try:
            yield
        finally:
            os.chdir(before)


def main() -> None:
    """Print the number of files of each trip, and their names where asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the files too")
    listed = parser.parse_args().list
    with small_inputs():
        for trip in TRIPS:
            entered = files(trip)
            print(f"{trip.name}: {len(entered)} files")
            for package, names in itertools.groupby(entered, lambda name: name.split("/")[0]):
                if listed:
                    print(f"  {package}: {', '.join(names)}")


if __name__ == "__main__":
    main()
