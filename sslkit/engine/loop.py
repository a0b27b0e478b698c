"""The one training loop: every objective, model and adaptation runs through it."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from torch import Tensor

from sslkit import rng
from sslkit.artifacts import checkpoint, samples
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.optimizer import Course, Moment
from sslkit.engine import optimizers, runtime, sharded
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan, Work
from sslkit.engine.runlog import RunLog
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.engine.slope import Slope
from sslkit.errors import DataError, RequeueError, SslkitError
from sslkit.types import Arrays

#: What a state that is damaged, or of another run, raises where it is taken over.
_DAMAGE = (DataError, RuntimeError, LookupError, TypeError, ValueError, AttributeError)


@dataclass
class _Position:
    """All that a continued run must know beyond weights and moments."""

    step: int = 0
    tokens: int = 0
    best: float = math.inf
    best_step: int = 0
    waited: int = 0
    ended: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "_Position":
        """That of a saved state; ValueError or TypeError where it cannot be one."""
        at = cls(**values)
        counts = (at.step, at.tokens, at.best_step, at.waited)
        if any(type(count) is not int or count < 0 for count in counts):
            raise ValueError(f"its steps and tokens are {counts}")
        if type(at.best) not in (int, float) or type(at.ended) is not bool:
            raise ValueError("what it says of the best step is damaged")
        return at


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
    _saved: float = 0.0

    def __post_init__(self) -> None:
        self.learner.to(self.runtime.dtype)
        self.rates.freeze()
        self._wrapped = self.world.wrap(self.learner, self.runtime.device)
        self._moving = [p for p in self.learner.parameters() if p.requires_grad]
        plan = self.plan
        course = Course(plan.steps, plan.warmup, seed=plan.seed)
        self._schedule = plan.steering.schedule_for(course)
        self._optimizers = plan.steering.optimizers_for(
            self.learner, self.rates, plan.learning_rate, plan.weight_decay, course
        )

    def run(self, stop: Stop, console: Console) -> dict[str, float]:
        """Train to the end, from the saved state where there is one.

        Returns:
            the metrics of the final weights, and the ``step`` that they come from.

        Raises:
            RequeueError: a signal asked to stop; the state is saved.
            SslkitError: the loss is not a number.
        """
        runtime.ready()
        self._load(console)
        # A rebuilt encoder may come as it is evaluated, without dropout.
        self.learner.train()
        log = RunLog(self.folder, silent=not self.world.is_main_process, unit=self.work.unit)
        log.rewind(self._at.step)
        self._saved = time.monotonic()
        self.work.watch.begin(self.folder.metrics, self._at.step)
        label = self.folder.path.name
        with console.progress(label, self.plan.steps, "steps") as progress:
            progress.start_at(self._at.step)
            while self._at.step < self.plan.steps and not self._at.ended:
                tokens = self._at.tokens
                row, told = self._step(stop)
                if self._evaluation_due():
                    row |= self._judged(self.work.evaluate(self.learner))
                    row |= self.work.watch.look(self.learner.encoder, row)
                    self._at.ended |= bool(self.work.watch.reason)
                log.write(row, self._at.tokens - tokens)
                progress.advance(1, f"loss {row['loss']:.4f}")
                if told["stop"] or told["due"]:
                    self._save()
                if told["stop"]:
                    self._leave(stop)
        if self._best:
            self.learner.load_state_dict(self._best)
        final = self.work.evaluate(self.learner)
        step = self._at.best_step if self._best else self._at.step
        return {**final, **self._schedule.results(), "step": step}

    def _leave(self, stop: Stop) -> NoReturn:
        """End all processes, whichever of them was asked to stop."""
        self.world.barrier()
        kept = f"step {self._at.step} is kept in {self.folder.path}"
        stop.check(kept)
        raise RequeueError(
            f"another process was asked to stop: {kept}", do="the same command line continues"
        )

    def _evaluation_due(self) -> bool:
        last = self._at.step == self.plan.steps
        asked = self.work.watch.due(self._at.step)
        return last or asked or self._at.step % self.plan.evaluate_every == 0

    def _step(self, stop: Stop) -> tuple[dict[str, float], dict[str, float]]:
        """One step; its row of metrics, and what all processes told, wishes to stop among it."""
        plan, step = self.plan, self._at.step
        batches = self.work.batches(step)
        # Clocks differ, and all processes have a part in a state.
        due = time.monotonic() - self._saved > self.plan.checkpoint_seconds
        local: dict[str, float] = {"tokens": 0.0, "stop": float(bool(stop)), "due": float(due)}
        for arrays in batches:
            local["tokens"] += self.work.size(arrays)
            for name, count in self.learner.count(arrays).items():
                local[f"count {name}"] = local.get(f"count {name}", 0.0) + count
        total = self.world.all_reduce(local)
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
        if self._at.step in optimizer.keeps:
            parts = self.learner.parts(keep=self.world.is_main_process)
            if self.world.is_main_process:
                samples.keep(self.folder, self._at.step, parts)
        row = {"step": self._at.step, "loss": loss}
        if len(losses) > 1:
            row |= {f"loss_{name}": value for name, value in losses.items()}
        row |= {"learning_rate": factor * plan.learning_rate, "gradient_norm": norm}
        row |= self._schedule.trace() if optimizer.param_groups else {}
        return {**row, **optimizer.trace(), self.work.unit: self._at.tokens}, total

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
        state = {
            "learner": self.learner.state_dict(),
            "optimizer": self._optimizers.state_dict(),
            "schedule": self._schedule.state_dict(),
            "position": vars(self._at),
            "best": self._best,
        }
        state = sharded.whole(state, keep=self.world.is_main_process)
        if self.world.is_main_process:
            checkpoint.write_tensors(self.folder.state, state)
        self._saved = time.monotonic()

    def _load(self, console: Console) -> None:
        if not self.folder.state.is_file():
            return
        try:
            state = checkpoint.read_tensors(self.folder.state)
            shards = self.learner.state_dict()
            self.learner.load_state_dict(sharded.cut(state["learner"], shards))
            self._optimizers.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
            self._at = _Position.of(state["position"])
            self._best = sharded.cut(state["best"], shards)
        except _DAMAGE as error:
            raise DataError(
                "an unfinished run cannot be continued",
                where=str(self.folder.state),
                why=error.why if isinstance(error, DataError) else str(error),
                do="the file is damaged: remove it, and the same command line begins anew",
            ) from error
        if self.world.is_main_process:
            console.say(f"continuing {self.folder.path} at step {self._at.step}")
