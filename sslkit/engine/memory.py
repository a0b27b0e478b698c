"""The memory that training takes, foretold from small batches of the same learner.

Every tensor that an operation makes is watched from its making to its freeing while a learner
trains on one, two and three rows. What is alive between two matrix products is, at its largest,
affine in the size of the batch: one plane through three small batches for every such stretch, and
the largest of them at the size that is asked for, is the peak. Nothing is assumed of the model.
"""

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from sslkit.engine.dispatch import watched
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.heads import scores_at_once
from sslkit.types import Arrays

#: Rows of the small batches.
ROWS = (1, 2, 3)
#: Of a parameter's own size, the moments of AdamW.
_MOMENTS = 2
_PRODUCTS = {"mm", "addmm", "bmm", "baddbmm"}


class Watch:
    """The bytes of all tensors that operations make and that are alive.

    Attributes:
        peaks: the most bytes between one matrix product and the next.
    """

    def __init__(self) -> None:
        self.peaks = [0]
        self._alive: dict[int, int] = {}
        self._held: dict[int, weakref.ref[Any]] = {}
        self._bytes = 0

    def watching(self) -> AbstractContextManager[object]:
        """The context in which operations are watched."""

        def ran(_mode: Any, operation: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
            made = operation(*given, **(named or {}))
            self._ran(operation.overloadpacket.__name__, (given, named), made)
            return made

        return watched(ran)

    def _ran(self, name: str, given: object, made: object) -> None:
        before = {id(storage) for storage in _storages(given)}
        for storage in _storages(made):
            if id(storage) not in before:
                self._see(storage)
        if name in _PRODUCTS:
            self.peaks.append(0)
        self.peaks[-1] = max(self.peaks[-1], self._bytes)

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key not in self._held:
            self._alive[key] = storage.nbytes()
            self._bytes += storage.nbytes()
            self._held[key] = weakref.ref(storage, partial(self._gone, key))

    def _gone(self, key: int, _reference: object) -> None:
        del self._held[key]
        self._bytes -= self._alive.pop(key)


def _storages(values: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


@dataclass(frozen=True)
class Forecast:
    """What training a learner takes, in bytes, by the size of its micro-batches.

    Attributes:
        parameters: of the learner.
        kept: what lasts: parameters, moments of AdamW, gradients on their way.
        tried: the most that the small batches took, parameters included.
    """

    parameters: int
    kept: int
    tried: int
    _planes: npt.NDArray[np.float64]

    def peak(self, rows: int, size: float) -> int:
        """The peak, beyond that of the process, with micro-batches of so many rows and bytes."""
        found = (self._planes @ np.array([1.0, rows, size])).max()
        return self.kept + int(found)


def forecast(
    learner: Learner,
    runtime: Runtime,
    batch: Callable[[int], Arrays],
    most: int,
    *,
    accumulates: bool,
    exchanged: bool,
) -> Forecast:
    """Train on small batches, and see what that takes. The learner is left as it was.

    Args:
        batch: a micro-batch of so many rows, as the loop gets it.
        most: rows of the largest micro-batch that is thought of: what is done in parts there is
            done in as many here.
        accumulates: whether a step has several micro-batches.
        exchanged: whether gradients are averaged over processes, which holds them twice.
    """
    learner.to(runtime.device)
    learner.train()
    buffers = {name: held.clone() for name, held in learner.named_buffers()}
    design, found = [], []
    for rows in ROWS:
        arrays = batch(rows)
        design.append((1.0, rows, size_of(arrays)))
        found.append(_watched(learner, runtime, arrays, rows / most, accumulates))
    # Where a model goes over small batches in another number of steps, the whole is one stretch.
    if len({len(peaks) for peaks in found}) > 1:
        found = [[max(peaks)] for peaks in found]
    planes = np.linalg.lstsq(np.array(design), np.array(found, np.float64), rcond=None)[0].T
    moving = sum(_bytes(p) for p in learner.parameters() if p.requires_grad)
    parameters = sum(_bytes(p) for p in learner.parameters())
    kept = parameters + (_MOMENTS + exchanged) * moving
    # When weights move, all gradients are there.
    planes = np.vstack([planes, [moving, 0.0, 0.0]])
    with torch.no_grad():
        for name, held in learner.named_buffers():
            held.copy_(buffers[name])
    return Forecast(parameters, kept, parameters + max(map(max, found)), planes)


def _watched(
    learner: Learner, runtime: Runtime, arrays: Arrays, share: float, accumulates: bool
) -> list[int]:
    watch = Watch()
    with watch.watching(), scores_at_once(share):
        for _ in range(1 + accumulates):
            with runtime.autocast():
                losses = learner(to_device(arrays, runtime))
            torch.autograd.backward(torch.stack(list(losses.values())).sum())
            del losses
    for parameter in learner.parameters():
        parameter.grad = None
    return watch.peaks


def size_of(arrays: Arrays) -> float:
    """Bytes of a batch: what stands for the number of terms in its losses."""
    return float(sum(array.nbytes for array in arrays.values()))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def resident(device: torch.device) -> int:
    """Bytes that this process has in memory now; of a GPU, all that are taken there."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(device)
        return total - free
    return int(psutil.Process().memory_info().rss)
