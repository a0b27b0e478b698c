"""The one training loop: every objective, model and adaptation runs through it."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sslkit import rng
from sslkit.artifacts import checkpoint
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts import Objective
from sslkit.engine import optimizers, schedule
from sslkit.engine.distributed import World
from sslkit.engine.optimizers import Rates
from sslkit.engine.runlog import RunLog
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.engine.watch import Watch
from sslkit.errors import DataError, RequeueError, SslkitError
from sslkit.modules import Encoder
from sslkit.types import Arrays, Batch


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    Attributes:
        warmup: steps until the peak rate.
        clip: largest norm of the gradient; 0 for any.
        evaluate_every: steps between evaluations; the last step is always evaluated.
        keep_best: a metric of ``evaluate`` whose smallest value chooses the final weights; empty
            for the weights of the last step.
        patience: evaluations without a better value before the run ends.
        checkpoint_seconds: time between the states that a killed run can continue from.
    """

    steps: int
    learning_rate: float
    warmup: int
    weight_decay: float
    clip: float
    evaluate_every: int
    seed: int
    keep_best: str = ""
    patience: int = 0
    checkpoint_seconds: float = 120.0


@dataclass(frozen=True)
class Work:
    """What one run trains on.

    Attributes:
        batches: the micro-batches of this process for a step, a pure function of the step.
        evaluate: metrics of a learner, the same on every process.
        watch: what more is looked at, and may end the run.
    """

    batches: Callable[[int], Sequence[Arrays]]
    evaluate: Callable[["Learner"], dict[str, float]]
    watch: Watch = field(default_factory=Watch)


class Learner(nn.Module):
    """An encoder and what an objective adds to it; its forward gives the summed losses.

    Attributes:
        weights: factors of the losses, by name, where they are added up; 1 for others.
    """

    def __init__(
        self, encoder: Encoder, objective: Objective, weights: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.weights = dict(weights or {})
        self.encoder = encoder
        self.head = objective.head(encoder.width)
        self.objective = objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Each loss summed over its terms."""
        return self.objective.losses(self.encoder, self.head, batch)

    def total(self, losses: Mapping[str, float]) -> float:
        """The weighted sum of losses."""
        return sum(self.weights.get(name, 1.0) * value for name, value in losses.items())


@dataclass
class _Position:
    """All that a continued run must know beyond weights and moments."""

    step: int = 0
    tokens: int = 0
    best: float = math.inf
    best_step: int = 0
    waited: int = 0
    ended: bool = False


def to_device(arrays: Arrays, runtime: Runtime) -> Batch:
    """Arrays as tensors where the model is."""
    return {name: torch.from_numpy(a).to(runtime.device) for name, a in arrays.items()}


@dataclass
class Training:
    """One run: its learner, files and position."""

    learner: Learner
    rates: Rates
    work: Work
    plan: Plan
    runtime: Runtime
    world: World
    folder: RunFolder
    _at: _Position = field(default_factory=_Position)
    _best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.learner.to(self.runtime.device)
        self.rates.freeze()
        self._moving = [p for p in self.learner.parameters() if p.requires_grad]
        self._optimizer = optimizers.of(
            self.learner, self.rates, self.plan.learning_rate, self.plan.weight_decay
        )
        self._wrapped = self.world.wrap(self.learner, self.runtime.device)

    def run(self, stop: Stop, console: Console) -> dict[str, float]:
        """Train to the end, from the saved state where there is one.

        Returns:
            the metrics of the final weights, and the ``step`` that they come from.

        Raises:
            RequeueError: a signal asked to stop; the state is saved.
            SslkitError: the loss is not a number.
        """
        self._load(console)
        # A rebuilt encoder may come as it is evaluated, without dropout.
        self.learner.train()
        log = RunLog(self.folder, silent=not self.world.leads)
        log.rewind(self._at.step)
        self.work.watch.begin(self.folder.metrics, self._at.step)
        saved = time.monotonic()
        label = self.folder.path.name
        with console.progress(label, self.plan.steps, "steps") as progress:
            progress.start_at(self._at.step)
            while self._at.step < self.plan.steps and not self._at.ended:
                tokens = self._at.tokens
                row, asked = self._step(stop)
                if self._evaluation_due():
                    row |= self._judged(self.work.evaluate(self.learner))
                    row |= self.work.watch.look(self.learner.encoder, row)
                    self._at.ended |= bool(self.work.watch.reason)
                log.write(row, self._at.tokens - tokens)
                progress.advance(1, f"loss {row['loss']:.4f}")
                if asked or time.monotonic() - saved > self.plan.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
                if asked:
                    self._leave(stop)
        if self._best:
            self.learner.load_state_dict(self._best)
        final = self.work.evaluate(self.learner)
        return {**final, "step": self._at.best_step if self._best else self._at.step}

    def _leave(self, stop: Stop) -> NoReturn:
        """End all processes, whichever of them was asked to stop."""
        self.world.wait()
        kept = f"step {self._at.step} is kept in {self.folder.path}"
        stop.check(kept)
        raise RequeueError(
            f"another process was asked to stop: {kept}", do="the same command line continues"
        )

    def _evaluation_due(self) -> bool:
        last = self._at.step == self.plan.steps
        asked = self.work.watch.due(self._at.step)
        return last or asked or self._at.step % self.plan.evaluate_every == 0

    def _step(self, stop: Stop) -> tuple[dict[str, float], bool]:
        """One step of the optimizer; its row of metrics, and whether a stop was asked for."""
        plan, step = self.plan, self._at.step
        torch.manual_seed(int(rng.key(plan.seed, "torch", step, self.world.rank) >> rng.SHIFT))
        batches = self.work.batches(step)
        local: dict[str, float] = {"tokens": 0.0, "stop": float(bool(stop))}
        for arrays in batches:
            local["tokens"] += float(arrays["length"].sum())
            for name, count in self.learner.objective.count(arrays).items():
                local[f"count {name}"] = local.get(f"count {name}", 0.0) + count
        total = self.world.sum(local)
        sums = self.world.sum(self._gradients(batches, total))
        losses = {name: value / max(total[f"count {name}"], 1) for name, value in sums.items()}
        loss = self.learner.total(losses)
        norm = optimizers.clip(self._moving, plan.clip or math.inf)
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise SslkitError(
                f"the loss is not a number at step {step + 1}",
                where=str(self.folder.path),
                why=f"loss {loss}, gradient norm {norm}",
                do="lower --learning-rate and begin anew with --force; a kept state is still good",
            )
        factor = schedule.cosine(step, plan.steps, plan.warmup)
        optimizers.set_rate(self._optimizer, factor)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._at.step += 1
        self._at.tokens += int(total["tokens"])
        row = {"step": self._at.step, "loss": loss}
        if len(losses) > 1:
            row |= {f"loss_{name}": value for name, value in losses.items()}
        row |= {"learning_rate": factor * plan.learning_rate, "gradient_norm": norm}
        return {**row, "tokens": self._at.tokens}, total["stop"] > 0

    def _gradients(self, batches: Sequence[Arrays], total: Mapping[str, float]) -> dict[str, float]:
        """Add up the gradients of this process's micro-batches; the losses' sums."""
        sums = {name[6:]: 0.0 for name in total if name.startswith("count ")}
        # DDP takes the mean over processes, and each sum is a part of the whole mean.
        share = {name: self.world.size / max(total[f"count {name}"], 1) for name in sums}
        for number, arrays in enumerate(batches, 1):
            with self._quiet(number < len(batches)):
                with self.runtime.autocast():
                    losses = self._wrapped(to_device(arrays, self.runtime))
                parts = [
                    value * self.learner.weights.get(name, 1.0) * share[name]
                    for name, value in losses.items()
                ]
                torch.autograd.backward(torch.stack(parts).sum())
            for name, value in losses.items():
                sums[name] += float(value.detach())
        return sums

    def _quiet(self, more_to_come: bool) -> AbstractContextManager[object]:
        """Exchange gradients with the last micro-batch only."""
        if more_to_come and isinstance(self._wrapped, DistributedDataParallel):
            return self._wrapped.no_sync()
        return nullcontext()

    def _judged(self, metrics: dict[str, float]) -> dict[str, float]:
        """Keep the weights if they are the best so far; end when patience does."""
        plan, at = self.plan, self._at
        if not plan.keep_best:
            return metrics
        if metrics[plan.keep_best] < at.best:
            at.best, at.best_step, at.waited = metrics[plan.keep_best], at.step, 0
            self._best = {k: v.detach().clone() for k, v in self.learner.state_dict().items()}
        else:
            at.waited += 1
            at.ended = at.waited >= plan.patience
        return metrics

    def _save(self) -> None:
        if self.world.leads:
            state = {
                "learner": self.learner.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "position": vars(self._at),
                "best": self._best,
            }
            checkpoint.write_tensors(self.folder.state, state)

    def _load(self, console: Console) -> None:
        if not self.folder.state.is_file():
            return
        try:
            state = checkpoint.read_tensors(self.folder.state)
            self.learner.load_state_dict(state["learner"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._at = _Position(**state["position"])
            self._best = state["best"]
        except (DataError, RuntimeError, LookupError, TypeError, ValueError) as error:
            raise DataError(
                "an unfinished run cannot be continued",
                where=str(self.folder.state),
                why=error.why if isinstance(error, DataError) else str(error),
                do="the file is damaged: remove it, and the same command line begins anew",
            ) from error
        if self.world.leads:
            console.say(f"continuing {self.folder.path} at step {self._at.step}")
