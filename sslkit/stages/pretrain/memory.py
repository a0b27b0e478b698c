"""Micro-batch and gradient checkpointing of a pretraining run, by the memory that it may take."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sslkit import rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.objective import Counted
from sslkit.contracts.spec import floats, ids, token_ids
from sslkit.engine import memory
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.runtime import Runtime
from sslkit.errors import ResourceError, UsageError
from sslkit.machine import allocator, sizes
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.types import Array, Arrays

#: A micro-batch of so many tokens keeps a processor as busy as a larger one, so that gradient
#: checkpointing, which costs a fifth of the speed, is for what does not fit even then.
_ENOUGH = 1024
#: Rows from which the size of a larger batch is estimated.
_SAMPLE = 64
#: Rows of one family that stand in a batch, where there are families.
_ALIKE = 16
#: What an allocator that does not tell has in holes between tensors, of what they hold.
_GAPS = 0.35


@dataclass(frozen=True)
class Way:
    """One way to train, and its peak in bytes.

    Attributes:
        rows: windows of a micro-batch.
    """

    checkpointing: bool
    rows: int
    peak: int


@dataclass(frozen=True)
class Ways:
    """All ways to train a model, from the fastest to the smallest.

    Attributes:
        base: bytes that the process takes by itself; ``parameters`` those of the model.
    """

    ways: Sequence[Way]
    base: int
    parameters: int

    def within(self, total: int) -> Way | None:
        """The fastest that stays within so many bytes."""
        return next((way for way in self.ways if way.peak <= total), None)

    @property
    def smallest(self) -> Way:
        """The one that takes least."""
        return min(self.ways, key=lambda way: way.peak)


def check(options: Options, chosen: Chosen[TokenDomain]) -> None:
    """Refuse what cannot be planned.

    Raises:
        UsageError: naming the objective.
    """
    if isinstance(chosen.objectives.objective, Counted):
        raise UsageError(
            f"--mem does not go with {options.objective}",
            why="its tables of vectors take what they take, whatever the batch",
            do="leave it out",
        )


def fit(
    options: Options,
    chosen: Chosen[TokenDomain],
    learner: Learner,
    in_step: int,
    runtime: Runtime,
    processes: World,
    folder: RunFolder,
    console: Console,
) -> Options:
    """The options with a micro-batch and gradient checkpointing that ``--mem`` allows.

    A run that is continued keeps what was chosen when it was begun: its rounding depends on it.

    Args:
        in_step: windows of a step.

    Raises:
        UsageError: the memory of the objective cannot be planned.
        ResourceError: nothing fits.
    """
    if options.mem is None:
        return options
    check(options, chosen)
    total = sizes.parse(options.mem)
    if (begun := _begun(options, folder)) is not None:
        learner.encoder.checkpointing = begun.gradient_checkpointing
        return begun
    found = ways(options, chosen, learner, in_step, runtime, processes, here=True)
    way = chosen_way(found, total, options, chosen)
    learner.encoder.checkpointing = way.checkpointing
    console.say(
        f"--mem {options.mem}: micro-batches of {way.rows * options.window} tokens, gradient "
        f"checkpointing {'on' if way.checkpointing else 'off'}, estimated peak "
        f"{sizes.show(way.peak)}"
    )
    micro = way.rows * options.window
    return replace(options, micro_tokens=micro, gradient_checkpointing=way.checkpointing)


def _begun(options: Options, folder: RunFolder) -> Options | None:
    """What an unfinished run with the same budget was begun with."""
    if options.force or not (folder.state.is_file() and folder.config.is_file()):
        return None
    held = tomllib.loads(folder.config.read_text("utf-8")).get("pretrain", {})
    if held.get("mem") != options.mem:
        return None
    names = ("micro_tokens", "gradient_checkpointing")
    return replace(options, **{name: held[name] for name in names})


def chosen_way(found: Ways, total: int, options: Options, chosen: Chosen[TokenDomain]) -> Way:
    """The fastest way within a budget.

    Raises:
        ResourceError: there is none; it names the smallest budget that will do.
    """
    if (way := found.within(total)) is not None:
        return way
    fixed = f"; {chosen.across_rows[0]} fixes the micro-batch" if chosen.across_rows else ""
    raise ResourceError(
        f"--mem {options.mem} is too little for this model",
        why=f"the process takes {sizes.show(found.base)} by itself, the parameters "
        f"{sizes.show(found.parameters)}, and four times that with gradients and moments{fixed}",
        do=f"allow at least {-(-found.smallest.peak // 2**20)}M: micro-batches of "
        f"{found.smallest.rows * options.window} tokens, gradient checkpointing "
        f"{'on' if found.smallest.checkpointing else 'off'}",
    )


def ways(
    options: Options,
    chosen: Chosen[TokenDomain],
    learner: Learner,
    in_step: int,
    runtime: Runtime,
    processes: World,
    *,
    here: bool = False,
) -> Ways:
    """Every way to train a learner and its peak, estimated; the learner is left as it was.

    Args:
        here: training will go on in this process, which has then loaded all that any way needs.
    """
    share = -(-in_step // processes.size)
    most = min(max(1, options.micro_tokens // options.window), share)
    batch = _batches(options, chosen)
    per_row = memory.size_of(batch(_SAMPLE)) / _SAMPLE
    encoder = learner.encoder
    before = encoder.checkpointing
    runtimes.ready()
    heap = allocator.heap()[0]
    estimates = {}
    for again in (False, True) if encoder.depth else (False,):
        encoder.checkpointing = again
        estimates[again] = memory.forecast(
            learner, runtime, batch, most, exchanged=processes.size > 1
        )
    encoder.checkpointing = before
    base = memory.resident(runtime.device) - estimates[False].parameters
    if runtime.device.type == "cpu":
        # Trying has left holes of its own.
        tried = max(one.tried - one.parameters for one in estimates.values())
        base -= (allocator.heap()[0] - heap) if heap else _held(tried)
    asked = [
        (again, rows)
        for again in estimates
        if again or not options.gradient_checkpointing or not encoder.depth
        for rows in ([most] if chosen.across_rows else _counts(most))
    ]
    courses = [
        estimates[again].course(rows, rows * per_row, accumulates=rows < share)
        for again, rows in asked
    ]
    peaks = [base + taken for taken in _taken(courses, runtime)]
    if here:
        peaks = [max(peak, memory.resident(runtime.device)) for peak in peaks]
    every = [Way(again, rows, peak) for (again, rows), peak in zip(asked, peaks, strict=True)]
    enough = min(most, -(-_ENOUGH // options.window))
    # A large enough micro-batch first, then no checkpointing, then the largest.
    every.sort(key=lambda way: (way.rows < enough, way.checkpointing, -way.rows))
    return Ways(every, base, estimates[False].parameters)


def _taken(courses: Sequence[memory.Course], runtime: Runtime) -> list[int]:
    """What courses take with the holes between tensors: as the allocator says, or else about."""
    told = [-1] * len(courses)
    if runtime.device.type == "cpu":
        told = allocator.growth([course.tolist() for course in courses])
    return [
        one if one >= 0 else _held(memory.most(course))
        for one, course in zip(told, courses, strict=True)
    ]


def _held(tensors: int) -> int:
    """What so many bytes of tensors that come and go take, with the holes between them."""
    return int((1 + _GAPS) * tensors)


def _counts(most: int) -> list[int]:
    """``most`` and its halves down to 1."""
    found = [most]
    while found[-1] > 1:
        found.append(-(-found[-1] // 2))
    return found


def _batches(options: Options, chosen: Chosen[TokenDomain]) -> Callable[[int], Arrays]:
    """Micro-batches of full windows of random tokens, as the objective prepares them."""
    spec, objective, needs = (
        chosen.domain.spec,
        chosen.objectives.objective,
        chosen.objectives.needs,
    )
    size = token_ids(spec).size

    def made(rows: int) -> Arrays:
        draws = rng.Counter(options.seed, 0, np.arange(rows))
        tokens = (draws.uniform("tokens", options.window) * size).astype(np.int64)
        batch: Arrays = {"tokens": tokens, "length": np.full(rows, options.window)}
        if "links" in spec:
            batch["links"] = _links(rows, options.window, ids(spec, "links").size)
        if "sites" in spec:
            family = np.arange(rows)[:, None] // _ALIKE
            columns = np.arange(options.window) + options.window * family
            batch["sites"] = columns % ids(spec, "sites").size
        if "view" in needs:
            batch |= {f"view.{name}": array for name, array in batch.items()}
        if "corrupted" in needs:
            batch["corrupted"] = tokens
        if "boundary" in needs:
            batch["boundary"] = draws.uniform("boundary", options.window) < 1 / 16
            batch["boundary"][:, 0] = True
        if "token_weight" in spec:
            batch["token_weight"] = np.ones(tokens.shape, np.float32)
        if "properties" in needs:
            batch["properties"] = np.zeros((rows, *floats(spec, "properties").shape))
        return objective.prepare(batch, draws)

    return made


def _links(rows: int, columns: int, kinds: int) -> Array:
    """A chain with a ring closed at every third token: more links than most molecules have."""
    column = np.arange(columns)
    closing = column % 3 == 0
    ends = [
        (column - 1, column > 0),
        (column + 1, column < columns - 1),
        (column + 6, closing & (column < columns - 6)),
        (column - 6, closing & (column >= 6)),
    ]
    links = np.stack([np.where(there, other * kinds, -1) for other, there in ends], axis=1)
    return np.broadcast_to(links, (rows, *links.shape)).copy()
