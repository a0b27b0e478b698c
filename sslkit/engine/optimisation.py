"""How a run is trained: its schedule and its optimizers, chosen, checked and handed to the loop."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sslkit import catalog
from sslkit.artifacts import samples
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.optimizer import Course
from sslkit.engine.adaptations import ADAPTATION
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Plan
from sslkit.engine.runtime import Runtime
from sslkit.engine.steering import Steering
from sslkit.errors import UsageError
from sslkit.options import thread_count

#: The kinds of plug-in; a second optimizer carries its name behind the kind.
SCHEDULE, OPTIMIZER = "schedule", "optimizer"
#: The schedule unless a flag says otherwise.
_USUAL = "cosine"

#: Name, module and settings by kind, as in ``pretrain_plan.Chosen``.
Plugins = Mapping[str, tuple[str, ModuleType, Any]]


def modules(schedule: str, optimizer: str) -> dict[str, tuple[str, ModuleType]]:
    """The modules that ``--schedule`` and ``--optimizer`` name, by kind.

    Raises:
        UsageError: unknown ones, or such as do not fit together.
    """
    chosen = _named(optimizer)
    named = list(chosen.items())
    (first, begins), (last, ends) = named[0], named[-1]
    if len(chosen) > 1 and not _takes_over(ends):
        able = [n for n, module in catalog.loadable(OPTIMIZER).items() if _takes_over(module)]
        raise UsageError(f"{last} does not take over", do=f"these do: {', '.join(able)}")
    if not getattr(begins, "FOLLOWS", True) and (len(chosen) > 1 or schedule != _USUAL):
        other = f"--schedule {schedule}" if len(chosen) == 1 else last
        raise UsageError(
            f"{first} finds its own rate, with which {other} has nothing to do",
            do=f"leave one of them out, or let another optimizer begin, as adamw+{first}",
        )
    found = {SCHEDULE: (schedule, catalog.load(SCHEDULE, schedule))}
    for number, (name, module) in enumerate(chosen.items()):
        found[f"{OPTIMIZER} {name}" if number else OPTIMIZER] = (name, module)
    return found


def _named(optimizer: str) -> dict[str, ModuleType]:
    names = [name.strip() for name in optimizer.split("+")]
    found = {name: catalog.load(OPTIMIZER, name) for name in names}
    if len(names) > 2 or len(found) < len(names):
        raise UsageError(
            f"--optimizer {optimizer} names neither one optimizer nor two different ones",
            do="write one, or the first and the second, as adamw+lbfgs",
        )
    return found


def _takes_over(module: ModuleType) -> bool:
    return any(option.name == "after" for option in catalog.options(module))


def is_training(kind: str) -> bool:
    """Whether a kind of plug-in in a manifest says how a run was trained."""
    return kind.partition(" ")[0] in {SCHEDULE, OPTIMIZER, ADAPTATION}


def precision(folder: RunFolder, asked: str, optimizer: str) -> str:
    """``--precision``, which for ``auto`` stays what it was when the run was begun.

    Raises:
        UsageError: the optimizer compares losses, and they are to be rounded to bf16.
    """
    settled = folder.settled("precision", asked)
    for name, module in _named(optimizer).items():
        if getattr(module, "NEEDS_FULL_BATCH", False):
            if settled == "bf16":
                raise UsageError(
                    f"{name} compares losses, and bf16 rounds their differences away",
                    do="--precision fp32",
                )
            return "fp32" if settled == "auto" else settled
    return settled


def threads(folder: RunFolder, given: int | None, force: bool, console: Console) -> int | None:
    """The threads of a run: those it was begun with, where none are given; says so."""
    chosen = folder.threads(given, force=force)
    if chosen is not None and given is None and chosen != thread_count(None):
        console.say(f"threads {chosen}, as this run was begun: another number rounds otherwise")
    return chosen


def claim(
    folder: RunFolder,
    identity: Mapping[str, Any],
    config: str,
    force: bool,
    runtime: Runtime,
    processes: int,
    console: Console,
) -> None:
    """Make a folder this run's own and note what shapes its rounding; warn where that changed.

    Raises:
        UsageError, DataError: the folder holds another run, or does not say which.
    """
    if folder.claim(identity, config, force=force) == "finished":
        return
    now = {**runtime.describe(), "processes": processes, "torch": torch.__version__}
    if changed := folder.note(now):
        console.warn(
            f"{folder.path} goes on otherwise than it was begun: {'; '.join(changed)}. "
            "Its bytes will be those of no run in one piece"
        )


def rate(asked: float | None, plugins: Plugins, usual: float) -> float:
    """The peak rate: as asked, or the first optimizer's own, or what is usual."""
    own: float = getattr(plugins[OPTIMIZER][1], "RATE", usual)
    return own if asked is None else asked


def takes_sparse(plugins: Plugins) -> bool:
    """Whether tables may have gradients of single rows."""
    chosen = [module for kind, (_, module, _) in plugins.items() if kind.startswith(OPTIMIZER)]
    return all(getattr(module, "SPARSE", False) for module in chosen)


def samples_weights(plugins: Plugins) -> bool:
    """Whether weights are kept on the way, so that all of the run is wanted."""
    return any(hasattr(module, "kept") for _, module, _ in plugins.values())


def steering(plugins: Plugins, passes: float = 1.0) -> Steering:
    """What the loop is given.

    Args:
        passes: steps in which all of the data is read once.
    """
    optimizers = [plugin[1:] for kind, plugin in plugins.items() if kind.startswith(OPTIMIZER)]
    return Steering(plugins[SCHEDULE][1:], tuple(optimizers), passes)


def check(plan: Plan, *, full_batch: bool, losses: int = 1, shards: bool = False) -> Plan:
    """The plan, unless it asks for what cannot be done.

    Args:
        full_batch: whether every step asks the same.
        losses: how many are added up.
        shards: whether weights are dealt out to the processes.

    Raises:
        UsageError: saying what would fit.
    """
    steered, course = plan.steering, Course(plan.steps, plan.warmup, seed=plan.seed)
    turns = steered.courses(course)
    steered.schedule_for(course)
    for (module, settings), turn in zip(steered.optimizers, turns, strict=True):
        name = module.__name__.rpartition(".")[2]
        if turn is not turns[0] and not 0 < turn.begin < plan.steps:
            raise UsageError(
                f"{plan.steps} steps are too few for two optimizers",
                do=f"give more --steps, or change {name}.after",
            )
        if getattr(module, "NEEDS_FULL_BATCH", False) and not full_batch:
            raise UsageError(
                f"{name} compares losses of one and the same batch, and every step draws another",
                do="--optimizer adamw, sgd or sgld; or an objective that draws nothing",
            )
        if shards and (getattr(module, "NEEDS_FULL_BATCH", False) or hasattr(module, "kept")):
            raise UsageError(f"{name} needs all weights in one place", do="use --parallel ddp")
        if hasattr(module, "kept"):
            if losses > 1:
                raise UsageError(
                    f"{name} samples the posterior of one likelihood, not of {losses} added up",
                    do="choose one --objective",
                )
            module.kept(settings, turn)
    return plan


def averaged(
    folder: RunFolder, learner: Learner, say: Callable[[], npt.NDArray[np.float64]]
) -> tuple[npt.NDArray[np.float64], int]:
    """The mean of what a learner says over the samples of its weights, and their number.

    Without samples it is what the learner says as it is, and 0. The learner is left as it was.
    """
    total, count, own = None, 0, learner.parts()
    for _, _, tensors in samples.kept(folder):
        _set(learner, tensors)
        said = say()
        total = said if total is None else total + said
        count += 1
    _set(learner, own)
    return (say(), 0) if total is None else (total / count, count)


def _set(learner: Learner, tensors: samples.Parts) -> None:
    learner.encoder.load_state_dict(tensors["encoder"])
    learner.head.load_state_dict(tensors["head"])
