"""Weights that a run keeps on its way: ``samples/``, a file for each step that was kept.

While the run goes on a file holds tensors alone; a finished run makes a checkpoint of each, which
all commands read.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from sslkit.artifacts import checkpoint, outline
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.artifacts.run import RunFolder
from sslkit.errors import DataError

Parts = dict[str, dict[str, torch.Tensor]]


def keep(folder: RunFolder, step: int, tensors: Parts) -> None:
    """Write the weights after a step; a run that does it again writes the same."""
    checkpoint.write_tensors(folder.samples / f"{step:08d}.pt", {"tensors": tensors})


def kept(folder: RunFolder) -> Iterator[tuple[Path, int, Parts]]:
    """Every sample in the order of steps: its file, its step and its tensors by part.

    Raises:
        DataError: a file is damaged.
    """
    for path in sorted(folder.samples.glob("*.pt")):
        held = checkpoint.read_tensors(path)
        if "tensors" not in held or not path.stem.isdecimal():
            raise DataError("this is not a sample of weights", where=str(path))
        outline.check_parts(held["tensors"], path, checkpoint.is_whole)
        yield path, int(path.stem), held["tensors"]


def finish(folder: RunFolder, like: Checkpoint) -> int:
    """Make a checkpoint of every sample; their number.

    Args:
        like: of the last weights; the samples differ from it in their tensors and ``step``.
    """
    count = 0
    for path, step, tensors in kept(folder):
        made = replace(like.manifest, results={"step": step})
        checkpoint.save(path, replace(like, manifest=made, tensors=tensors))
        count += 1
    return count
