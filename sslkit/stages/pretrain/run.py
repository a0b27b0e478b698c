"""pretrain: an encoder learns to predict hidden parts of unlabelled data.

The story: a feed brings plug-ins and data, as a vocabulary and the corpus that it names, or an
equation; the one loop trains; a checkpoint holds all that later stages need.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sslkit.artifacts import checkpoint, destination, kinds, manifest
from sslkit.artifacts.run import RunFolder, to_toml
from sslkit.console import Console
from sslkit.engine import assemble, optimisation, schedule_plot
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World, world
from sslkit.engine.learner import Learner
from sslkit.engine.loop import Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.stages.pretrain import early_stopping as watchings
from sslkit.stages.pretrain import feeds, start_from
from sslkit.stages.pretrain.choice import Options
from sslkit.stages.pretrain.feeds import Feed
from sslkit.stages.pretrain.objectives import Pretexts
from sslkit.stages.pretrain.start_from import Start

__all__ = ["Options", "run"]

_EVALUATIONS, _EVALUATE_STEPS = 20, 50
_WARMUP_SHARE = 0.05


def run(options: Options, console: Console) -> None:
    """Pretrain, or continue to; see the command's help."""
    folder = RunFolder(options.out or Path("pretrained"))
    destination.check(folder.path, kinds.PRETRAINED, options)
    with world(options.parallel) as processes, stopping() as stop, ExitStack() as stack:
        talk = console if processes.leads else Console(quiet=True)
        options = feeds.settled_by_domain(options)
        precision = optimisation.precision(folder, options.precision, options.optimizer)
        threads = optimisation.threads(folder, options.threads, options.force, talk)
        runtime = runtimes.prepare(options.device, threads, precision, processes, double=True)
        kept = f"what was encoded is in {options.shards}"
        with stop.at_once(kept):
            feed = feeds.of(options, processes, talk)
            watching = watchings.prepare(options, feed.chosen, talk)
        learner = feeds.learner(options, feed.chosen)
        begun = start_from.begin(options.start_from, feed, learner)
        feed = feed.fitted(learner, runtime, folder, talk)
        options, steps = feed.settled(learner)
        plan = _plan(options, feed, learner, steps, processes)
        identity = _identity(options, feed, runtime, steps) | begun.identity() | watching.identity
        if processes.leads:
            stack.enter_context(folder.alone(talk.warn, force=options.force))
            config, company = _config(options, feed), (runtime, processes.size)
            optimisation.claim(folder, identity, config, options.force, *company, talk)
        processes.wait()
        if folder.checkpoint.is_file():
            talk.say(f"{folder.checkpoint} is finished: nothing to do")
            schedule_plot.draw(folder, talk)
            results = checkpoint.load(folder.checkpoint).manifest.results
            with manifest.reading_results(folder.checkpoint):
                _report(folder, feed.chosen.pretexts, results, talk)
            return
        with stop.at_once(kept):
            work, read = feed.work(learner, runtime)
        _begin(feed, learner, f"{steps} steps of {read} in {_company(runtime, processes)}", talk)
        reached = Training(
            learner=learner,
            rates=Rates({}),
            work=watching.over(work, learner, plan, runtime, processes, talk),
            plan=plan,
            runtime=runtime,
            world=processes,
            folder=folder,
        ).run(stop, talk)
        metrics = reached | watching.results(talk)
        tensors = learner.parts(keep=processes.leads)
        if processes.leads:
            whole = identity | folder.roundings()
            described = _described(whole, feed, runtime, processes, metrics, begun)
            for line in feed.finish(learner, metrics, folder, runtime):
                talk.say(line)
            schedule_plot.draw(folder, talk)
            assemble.write(folder, tensors, described, feed.vocabulary)
            talk.say(f"wrote {folder.checkpoint}; {runtime.bytes_depend_on(options.seed)}")
            _report(folder, feed.chosen.pretexts, metrics, talk)
        processes.wait()


def _begin(feed: Feed, learner: Learner, how: str, talk: Console) -> None:
    """Say what is trained, and how."""
    parameters = sum(p.numel() for p in learner.parameters())
    talk.say(f"training {parameters:,} parameters for {how}")
    for line in feed.told(learner):
        talk.say(line)


def _config(options: Options, feed: Feed) -> str:
    left_out = feed.unused | {"force", "given"}
    return to_toml("pretrain", {n: v for n, v in vars(options).items() if n not in left_out})


def _identity(options: Options, feed: Feed, runtime: Runtime, steps: int) -> dict[str, Any]:
    """All that decides the result, but for what changes its rounding only, as threads do."""
    return feed.identity() | {
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "clip": options.clip,
        "seed": options.seed,
        "steps": steps,
        "precision": runtime.precision,
        "plugins": feed.chosen.entries(),
        "corpus": {entry.path: entry.sha256 for entry in feed.inputs},
    }


def _described(
    identity: Mapping[str, Any],
    feed: Feed,
    runtime: Runtime,
    processes: World,
    metrics: Mapping[str, float],
    begun: Start,
) -> manifest.Manifest:
    """What the checkpoint says of its making."""
    return manifest.make(
        "pretrain",
        {**identity, **runtime.describe(), "processes": processes.size},
        plugins=feed.chosen.entries(),
        inputs=feed.inputs,
        parents={**feed.parents, **begun.parents},
        results=metrics,
    )


def _company(runtime: Runtime, processes: World) -> str:
    return (
        f"{runtime.precision} on {runtime.device}: {processes.size} process(es), "
        f"{runtime.threads} thread(s) each"
    )


def _plan(options: Options, feed: Feed, learner: Learner, steps: int, processes: World) -> Plan:
    """How long and how fast; refused where schedule or optimizer do not fit."""
    whole = feed.is_whole(learner)
    plan = Plan(
        steps=steps,
        learning_rate=options.learning_rate or 0.0,
        warmup=max(1, round(_WARMUP_SHARE * steps)),
        weight_decay=options.weight_decay,
        clip=options.clip,
        evaluate_every=max(_EVALUATE_STEPS, math.ceil(steps / _EVALUATIONS)),
        seed=options.seed,
        checkpoint_seconds=options.checkpoint_every,
        steering=optimisation.steering(feed.chosen.plugins, 1.0 if whole else feed.passes),
    )
    losses = len(feed.chosen.pretexts.modules)
    return optimisation.check(plan, full_batch=whole, losses=losses, shards=processes.shards)


def _report(
    folder: RunFolder, pretexts: Pretexts, metrics: Mapping[str, float], talk: Console
) -> None:
    lines, warnings = pretexts.told(metrics)
    for line in lines:
        talk.say(line)
    for warning in warnings:
        talk.warn(warning)
    talk.result({"checkpoint": str(folder.checkpoint), **metrics})
