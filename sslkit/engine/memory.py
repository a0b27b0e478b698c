"""The memory that training takes, estimated from small batches of the same learner.

Every tensor that an operation makes is watched from its making to its freeing while a learner
trains on two, three and four rows. What each of them takes is affine in the size of the batch, so
that three small batches tell the course of a large one: what is taken and freed, and when. The
allocator itself then says how far a heap grows on that course. Nothing is assumed of the model.
"""

import functools
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from sslkit.engine.dispatch import watched
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.machine import allocator
from sslkit.objectives._heads import scores_at_once
from sslkit.types import Arrays

#: As ``machine.allocator.growth`` takes it.
Course: TypeAlias = npt.NDArray[np.int64]
#: Rows of the small batches; with one, layouts differ.
ROWS = (2, 3, 4)
#: What is between tensors, of what they hold, where only the most of them is known.
_HOLES = 0.15
#: Of a parameter's own size, the moments of AdamW.
_MOMENTS = 2
_PRODUCTS = {"mm", "addmm", "bmm", "baddbmm"}


class Watch:
    """What operations take and free.

    Args:
        product: bytes that stay behind the first matrix product of a shape.

    Attributes:
        course: as ``machine.allocator.growth`` takes it.
        lasting: which of the takings stay behind a product.
    """

    def __init__(self, product: int = 0) -> None:
        self.course: list[int] = []
        self.lasting: set[int] = set()
        self._product = product
        self._shapes: set[object] = set()
        self._held: dict[int, weakref.ref[Any]] = {}
        self._taken = 0

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
            if id(storage) not in before and id(storage) not in self._held:
                gone = partial(self._gone, id(storage), self._take(storage.nbytes()))
                self._held[id(storage)] = weakref.ref(storage, gone)
        if name in _PRODUCTS and (shape := (name, *_shapes(given))) not in self._shapes:
            self._shapes.add(shape)
            self.lasting.add(self._take(self._product))

    def _take(self, size: int) -> int:
        self.course.append(size)
        self._taken += 1
        return self._taken - 1

    def _gone(self, key: int, taking: int, _reference: object) -> None:
        del self._held[key]
        self.course.append(-1 - taking)


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _storages(values: object) -> list[torch.UntypedStorage]:
    return [tensor.untyped_storage() for tensor in _tensors(values)]


def _shapes(values: object) -> list[object]:
    return [(tensor.shape, tensor.stride(), tensor.dtype) for tensor in _tensors(values)]


def most(course: Course) -> int:
    """The most bytes that are alive at once."""
    sizes = course[course >= 0]
    change = course.copy()
    change[course < 0] = -sizes[-1 - course[course < 0]]
    return int(change.cumsum().max(initial=0))


@dataclass(frozen=True)
class Forecast:
    """What training a learner takes, by the size of its micro-batches.

    Attributes:
        parameters: bytes of the learner's.
        tried: the most bytes that the small batches took, parameters included.
    """

    parameters: int
    tried: int
    _takings: npt.NDArray[np.float64]
    _pattern: Course
    _mark: int
    _lasting: frozenset[int]
    _before: Sequence[int]
    _moments: Sequence[int]

    def course(self, rows: int, size: float, *, accumulates: bool) -> Course:
        """What is taken and freed from the first parameter to the end of the second step.

        Args:
            rows: of a micro-batch.
            size: of a micro-batch, as ``size_of`` has it.
            accumulates: whether a step has several micro-batches.
        """
        step = self._pattern.copy()
        sizes = np.maximum(0, self._takings @ np.array([1.0, rows, size]))
        step[step >= 0] = np.ceil(sizes).astype(np.int64)
        step = _ended(step if accumulates else step[: self._mark], self._lasting)
        # The first products of a shape come once.
        again, takings = step.copy(), np.flatnonzero(step >= 0)
        again[takings[[taking for taking in self._lasting if taking < len(takings)]]] = 0
        return _joined([np.array(self._before), step, np.array(self._moments), again])


def forecast(
    learner: Learner,
    runtime: Runtime,
    batch: Callable[[int], Arrays],
    largest: int,
    *,
    exchanged: bool,
) -> Forecast:
    """Train on small batches, and see what that takes. The learner is left as it was.

    Args:
        batch: a micro-batch of so many rows, as the loop gets it.
        largest: rows of the largest micro-batch that is thought of: what is done in parts there is
            done in as many here.
        exchanged: whether gradients are averaged over processes, which holds them twice.
    """
    learner.to(runtime.device)
    learner.train()
    buffers = {name: held.clone() for name, held in learner.named_buffers()}
    design, found = [], []
    for rows in ROWS:
        arrays = batch(rows)
        design.append((1.0, rows, size_of(arrays)))
        found.append(_watched(learner, runtime, arrays, rows / largest))
    with torch.no_grad():
        for name, held in learner.named_buffers():
            held.copy_(buffers[name])
    each = [_bytes(parameter) for parameter in learner.parameters()]
    moving = [_bytes(p) for p in learner.parameters() if p.requires_grad]
    courses = [np.array(watch.course) for watch, _ in found]
    tried = sum(each) + max(map(most, courses))
    pattern, (watch, mark) = np.minimum(courses[0], 0), found[0]
    lasting = watch.lasting
    # Where a model goes over small batches in another number of steps, all that is known is the
    # most that they take.
    if any(not np.array_equal(pattern, np.minimum(course, 0)) for course in courses):
        courses = [np.array([int((1 + _HOLES) * most(course)), -1]) for course in courses]
        pattern, mark, lasting = np.array([0, -1]), 2, set()
    sizes = np.array([course[course >= 0] for course in courses], np.float64)
    return Forecast(
        parameters=sum(each),
        tried=tried,
        _takings=np.linalg.lstsq(np.array(design), sizes, rcond=None)[0].T,
        _pattern=pattern,
        _mark=mark,
        _lasting=frozenset(lasting),
        _before=[*each, *([sum(moving)] if exchanged else [])],
        _moments=moving * _MOMENTS,
    )


def _watched(learner: Learner, runtime: Runtime, arrays: Arrays, share: float) -> tuple[Watch, int]:
    """A step of two micro-batches, and where in its course the second one begins."""
    watch = Watch(product_code(runtime))
    marks = []
    with watch.watching(), scores_at_once(share):
        for _ in range(2):
            marks.append(len(watch.course))
            with runtime.autocast():
                losses = learner(to_device(arrays, runtime))
            torch.autograd.backward(torch.stack(list(losses.values())).sum())
            del losses
    course = len(watch.course)
    for parameter in learner.parameters():
        parameter.grad = None
    del watch.course[course:]
    return watch, marks[1]


def _ended(course: Course, lasting: frozenset[int]) -> Course:
    """A course, and then all is freed that is left, but for what lasts."""
    left = set(range(int((course >= 0).sum()))) - set((-1 - course[course < 0]).tolist()) - lasting
    return np.concatenate([course, -1 - np.array(sorted(left), np.int64)])


def _joined(courses: Sequence[Course]) -> Course:
    """One course after the other; a course frees what it took itself."""
    found, taken = [], 0
    for course in courses:
        found.append(np.where(course < 0, course - taken, course))
        taken += int((course >= 0).sum())
    return np.concatenate(found).astype(np.int64)


def size_of(arrays: Arrays) -> float:
    """Bytes of a batch: what stands for the number of terms in its losses."""
    return float(sum(array.nbytes for array in arrays.values()))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


@functools.cache
def product_code(runtime: Runtime) -> int:
    """Bytes that stay behind the first matrix product of a shape: oneDNN writes code for each."""
    before = allocator.heap()[1]
    with runtime.autocast():
        made = torch.ones(37, 53, device=runtime.device) @ torch.ones(53, 41, device=runtime.device)
        left = allocator.heap()[1] - before - _bytes(made)
    return max(0, left)


def resident(device: torch.device) -> int:
    """Bytes that this process has in memory now; of a GPU, all that are taken there."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(device)
        return total - free
    return int(psutil.Process().memory_info().rss)
