"""The one training loop: every objective, model and adaptation runs through it."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import torch
from torch import Tensor, nn

from sslkit import rng
from sslkit.artifacts import checkpoint, samples
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts import Objective
from sslkit.engine import optimizers
from sslkit.engine.distributed import World
from sslkit.engine.optimizers import Rates
from sslkit.engine.runlog import RunLog
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.engine.slope import Slope
from sslkit.engine.steering import Steering
from sslkit.errors import DataError, RequeueError, SslkitError
from sslkit.modules import Backbone
from sslkit.steering import Course, Moment
from sslkit.types import Arrays, Batch


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    Attributes:
        warmup: steps until the peak rate, where the schedule's settings do not say.
        clip: largest norm of the gradient; 0 for any.
        evaluate_every: steps between evaluations; the last step is always evaluated.
        keep_best: a metric of ``evaluate`` whose smallest value chooses the final weights; empty
            for the weights of the last step.
        patience: evaluations without a better value before the run ends.
        checkpoint_seconds: time between the states that a killed run can continue from.
        steering: the schedule and the optimizers.
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
    steering: Steering = field(default_factory=Steering)


@dataclass(frozen=True)
class Work:
    """What one run trains on.

    Attributes:
        batches: the micro-batches of this process for a step, a pure function of the step.
        evaluate: metrics of a learner, the same on every process.
        unit: what a batch holds, as metrics name it: tokens, as ``length`` counts them, or the
            rows of an array of that name.
    """

    batches: Callable[[int], Sequence[Arrays]]
    evaluate: Callable[["Learner"], dict[str, float]]
    unit: str = "tokens"

    def size(self, arrays: Arrays) -> float:
        """How much of its unit a batch holds."""
        return float(arrays["length"].sum() if "length" in arrays else len(arrays[self.unit]))


class Learner(nn.Module):
    """A model and what an objective adds to it; its forward gives the summed losses.

    Attributes:
        weights: factors of the losses, by name, where they are added up; 1 for others.
    """

    def __init__(
        self, encoder: Backbone, objective: Objective, weights: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.weights = dict(weights or {})
        self.encoder = encoder
        self.head = objective.head(encoder.width)
        self.objective = objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Each loss summed over its terms."""
        return self.objective.losses(self.encoder, self.head, batch)

    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Copies of the tensors of encoder and head, as checkpoints hold them."""
        return {
            name: {key: value.detach().cpu().clone() for key, value in part.state_dict().items()}
            for name, part in (("encoder", self.encoder), ("head", self.head))
        }

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
    found = {name: torch.from_numpy(a).to(runtime.device) for name, a in arrays.items()}
    if runtime.precision == "fp64":
        return {n: t.double() if t.is_floating_point() else t for n, t in found.items()}
    return found


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
        self.learner.to(self.runtime.device, self.runtime.dtype)
        self.rates.freeze()
        self._moving = [p for p in self.learner.parameters() if p.requires_grad]
        plan = self.plan
        course = Course(plan.steps, plan.warmup, seed=plan.seed)
        self._schedule = plan.steering.schedule_for(course)
        self._optimizers = plan.steering.optimizers_for(
            self.learner, self.rates, plan.learning_rate, plan.weight_decay, course
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
        log = RunLog(self.folder, silent=not self.world.leads, unit=self.work.unit)
        log.rewind(self._at.step)
        saved = time.monotonic()
        label = self.folder.path.name
        with console.progress(label, self.plan.steps, "steps") as progress:
            progress.start_at(self._at.step)
            while self._at.step < self.plan.steps and not self._at.ended:
                tokens = self._at.tokens
                row, asked = self._step(stop)
                if self._evaluation_due():
                    row |= self._judged(self.work.evaluate(self.learner))
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
        step = self._at.best_step if self._best else self._at.step
        return {**final, **self._schedule.results(), "step": step}

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
        return last or self._at.step % self.plan.evaluate_every == 0

    def _step(self, stop: Stop) -> tuple[dict[str, float], bool]:
        """One step of the optimizer; its row of metrics, and whether a stop was asked for."""
        plan, step = self.plan, self._at.step
        batches = self.work.batches(step)
        local: dict[str, float] = {"tokens": 0.0, "stop": float(bool(stop))}
        for arrays in batches:
            local["tokens"] += self.work.size(arrays)
            for name, count in self.learner.objective.count(arrays).items():
                local[f"count {name}"] = local.get(f"count {name}", 0.0) + count
        total = self.world.sum(local)
        slope = self._slope(step, batches, total)
        losses = slope.evaluate()
        loss = self.learner.total(losses)
        optimizer = self._optimizers.at(step)
        norm = optimizers.clip(self._moving, (plan.clip if optimizer.clips else 0.0) or math.inf)
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise SslkitError(
                f"the loss is not a number at step {step + 1}",
                where=str(self.folder.path),
                why=f"loss {loss}, gradient norm {norm}",
                do="lower --learning-rate and begin anew with --force; a kept state is still good",
            )
        factor = self._schedule.factor(step, loss, norm)
        optimizers.set_rate(optimizer, factor)
        terms = sum(slope.counts.values()) * plan.steering.passes
        optimizer.step(Moment(step, loss, terms, lambda: self.learner.total(slope.evaluate())))
        optimizer.zero_grad()
        self._at.step += 1
        self._at.tokens += int(total["tokens"])
        if self._at.step in optimizer.keeps and self.world.leads:
            samples.keep(self.folder, self._at.step, self.learner.parts())
        row = {"step": self._at.step, "loss": loss}
        if len(losses) > 1:
            row |= {f"loss_{name}": value for name, value in losses.items()}
        row |= {"learning_rate": factor * plan.learning_rate, "gradient_norm": norm}
        row |= self._schedule.trace() if optimizer.param_groups else {}
        return {**row, **optimizer.trace(), self.work.unit: self._at.tokens}, total["stop"] > 0

    def _slope(self, step: int, batches: Sequence[Arrays], total: Mapping[str, float]) -> Slope:
        """The step's losses as a function of the weights."""

        def losses(arrays: Arrays) -> dict[str, Tensor]:
            with self.runtime.autocast():
                found: dict[str, Tensor] = self._wrapped(to_device(arrays, self.runtime))
            return found

        return Slope(
            wrapped=self._wrapped,
            losses=losses,
            weights=self.learner.weights,
            world=self.world,
            batches=batches,
            counts={name[6:]: n for name, n in total.items() if name.startswith("count ")},
            seed=int(rng.key(self.plan.seed, "torch", step, self.world.rank) >> rng.SHIFT),
        )

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
                "optimizer": self._optimizers.state_dict(),
                "schedule": self._schedule.state_dict(),
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
            self._optimizers.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
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
