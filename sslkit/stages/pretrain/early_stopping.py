"""What pretraining looks at on its way: a probe of labelled records, and a rule that ends it.

The probe is the one of ``sslkit probe``: frozen features of the last layer and a linear model. It
learns from a training part and is judged on a validation part. The test part is not looked at,
for a score that decides when to stop would no longer be a fair one.
"""

import importlib
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sslkit.console import Console
from sslkit.contracts.domain import Domain
from sslkit.engine import flops
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Plan, Work
from sslkit.engine.runtime import Runtime
from sslkit.engine.watch import Watch
from sslkit.errors import UsageError
from sslkit.stages.pretrain.choice import Chosen, Options

if TYPE_CHECKING:
    from sslkit.analysis.stopping import Rule
    from sslkit.stages.pretrain.online_probe import Labelled

#: Loaded where they are asked for: with them come pandas, scipy and scikit-learn.
_PROBING, _STOPPING = "sslkit.stages.pretrain.online_probe", "sslkit.analysis.stopping"
_LOSS = "heldout_loss"


@dataclass
class Watching:
    """What was asked for, ready before training begins.

    Attributes:
        identity: what of it decides the run's metrics and its end.
        watch: what the loop holds, once there is a loop.
    """

    every: int
    labelled: "Labelled | None"
    rule: "Rule | None"
    identity: dict[str, Any]
    watch: Watch = field(default_factory=Watch)
    rate: float = 0.0

    def over(
        self,
        work: Work,
        learner: Learner,
        plan: Plan,
        runtime: Runtime,
        world: World,
        console: Console,
    ) -> Work:
        """Work that is watched."""
        self.rate = plan.learning_rate
        self.watch = Watch(
            flops=lambda: flops.per_token(learner, work, world, runtime),
            unit=work.unit,
            every=self.every,
            steps=plan.steps,
        )
        if (labelled := self.labelled) is not None:
            self.watch.probe = lambda model: labelled.scores(model, runtime, world)
        if self.rule is not None:
            self.watch.decide = self.rule.reason
            self._tell_chances(plan, self.rule, console)
        return replace(work, watch=self.watch)

    def _tell_chances(self, plan: Plan, rule: "Rule", console: Console) -> None:
        every = self.every or plan.evaluate_every
        usable, needed = rule.chances(plan.steps / every)
        if usable < needed:
            console.warn(
                f"--stop-when-gain-below waits for {needed} evaluations, and a run of "
                f"{plan.steps} steps has {usable} in time: it will not stop early"
            )
        else:
            console.say(
                f"stops once twice the compute should bring less than {rule.below:g} of "
                f"{rule.metric}"
            )

    def results(self, console: Console) -> dict[str, Any]:
        """What the finished run says of it: the last evaluation, and why it stopped early."""
        last = self.watch.rows[-1] if self.watch.rows else {}
        names = [n for n in last if n.startswith("probe_") or n in {self.watch.unit, "flops"}]
        found: dict[str, Any] = {name: last[name] for name in names}
        if not self.watch.reason:
            return found
        console.say(
            f"stopped at step {int(last['step'])} of {self.watch.steps}: {self.watch.reason}"
        )
        share = last["learning_rate"] / self.rate if self.rate else 0.0
        if share > 2 / 3:
            console.warn(
                f"the learning rate stood at {share:.0%} of its peak: a run that was planned this "
                "short would have brought it down and have got a little further"
            )
        elif int(last["step"]) < self.watch.steps:
            console.warn(
                f"the learning rate had come down to {share:.0%} of its peak by a schedule that "
                "knew of more steps, so the forecast saw the fall of the rate too; "
                "--schedule constant keeps them apart"
            )
        return found | {"stopped": self.watch.reason}


def _rule(below: float, metric: str) -> "Rule":
    made: Rule = importlib.import_module(_STOPPING).Rule(below, metric, "flops")
    return made


def prepare(options: Options, chosen: Chosen[Domain], console: Console) -> Watching:
    """Read the labels and settle what is watched; everything that can be refused is refused here.

    Raises:
        UsageError, DataError: labels that are lacking or cannot be used, or a gain that is none.
    """
    every, below = options.probe_every or 0, options.stop_when_gain_below
    if below is not None and not 0 < below < math.inf:
        raise UsageError(
            f"--stop-when-gain-below {below:g} is no gain",
            why="it is what twice the compute must bring: of the probe's score, or in nats of the "
            "held-out loss",
            do="give a number above 0, such as 0.005",
        )
    if not every:
        if options.task or options.labels:
            console.warn("labels are looked at with --probe-every only: there is no probe")
        rule = None if below is None else _rule(below, _LOSS)
        return Watching(0, None, rule, {} if rule is None else {"stop": [below, _LOSS]})
    if options.task is None:
        raise UsageError(
            "--probe-every needs labels",
            do="say what they mean with --task, and where they are with --labels: "
            "`sslkit show task`",
        )
    labelled, files = importlib.import_module(_PROBING).of(options, options.task, chosen, console)
    rule = None if below is None else _rule(below, labelled.metric)
    told = {"every": every, "task": options.task, "labels": files}
    return Watching(
        every,
        labelled,
        rule,
        {"probe": told} | ({} if rule is None else {"stop": [below, labelled.metric]}),
    )
