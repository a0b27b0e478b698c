"""pretrain: an encoder learns to predict hidden parts of unlabelled data.

    sslkit pretrain corpus/ --domain genome --k 6 --steps 1000 --out pretrained

``run`` goes from data over model and loss to the loop and what it writes; the parts that depend on
what the data are, windows of a corpus or points of an equation, stand in ``feeds``.
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
from sslkit.stages.pretrain.objectives import Objectives
from sslkit.stages.pretrain.start_from import Start

__all__ = ["Options", "run"]

_EVALUATIONS, _EVALUATE_STEPS = 20, 50
_WARMUP_SHARE = 0.05


def run(options: Options, console: Console) -> None:
    """Pretrain, or continue to; see the command's help."""
    folder = RunFolder(options.out or Path("pretrained"))
    destination.check(folder.path, kinds.PRETRAINED, options)
    with world(options.parallel) as processes, stopping() as stop, ExitStack() as stack:
        console = console if processes.is_main_process else Console(quiet=True)
        options = feeds.settled_by_domain(options)
        runtime = _runtime(options, folder, processes, console)
        left_behind = f"what was encoded is in {options.shards}"

        # ---- Data: plug-ins, and files as examples, some of them held out ----
        with stop.at_once(left_behind):
            feed = feeds.of(options, processes, console)
            watching = watchings.prepare(options, feed.chosen, console)

        # ---- Model and loss: an encoder, and the heads of its objectives ----
        learner = feeds.learner(options, feed.chosen)
        start = start_from.begin(options.start_from, feed, learner)
        feed = feed.fitted(learner, runtime, folder, console)
        options, steps = feed.settled(learner)

        # ---- The run's folder: one run at a time, and what is finished is not done again ----
        plan = _plan(options, feed, learner, steps, processes)
        identity = _identity(options, feed, runtime, steps) | start.identity() | watching.identity
        if processes.is_main_process:
            stack.enter_context(folder.alone(console.warn, force=options.force))
            config, company = _config(options, feed), (runtime, processes.size)
            optimisation.claim(folder, identity, config, options.force, *company, console)
        processes.barrier()
        if folder.checkpoint.is_file():
            _report_finished(folder, feed, console)
            return

        # ---- Loop: the one of all stages ----
        with stop.at_once(left_behind):
            work, read = feed.work(learner, runtime)
        _begin(feed, learner, f"{steps} steps of {read} in {_company(runtime, processes)}", console)
        reached = Training(
            learner=learner,
            rates=Rates({}),
            work=watching.over(work, learner, plan, runtime, processes, console),
            plan=plan,
            runtime=runtime,
            world=processes,
            folder=folder,
        ).run(stop, console)

        # ---- Output: a checkpoint that holds all that later stages need ----
        metrics = reached | watching.results(console)
        tensors = learner.parts(keep=processes.is_main_process)
        if processes.is_main_process:
            whole = identity | folder.roundings()
            description = _described(whole, feed, runtime, processes, metrics, start)
            for line in feed.finish(learner, metrics, folder, runtime):
                console.say(line)
            schedule_plot.draw(folder, console)
            assemble.write(folder, tensors, description, feed.vocabulary)
            console.say(f"wrote {folder.checkpoint}; {runtime.bytes_depend_on(options.seed)}")
            _report(folder, feed.chosen.objectives, metrics, console)
        processes.barrier()


def _runtime(options: Options, folder: RunFolder, processes: World, console: Console) -> Runtime:
    """Device, threads and precision, as those of an unfinished run where they may not change."""
    precision = optimisation.precision(folder, options.precision, options.optimizer)
    threads = optimisation.threads(folder, options.threads, options.force, console)
    return runtimes.prepare(options.device, threads, precision, processes, double=True)


def _report_finished(folder: RunFolder, feed: Feed, console: Console) -> None:
    """Say that nothing is left to do, and what the finished run reached."""
    console.say(f"{folder.checkpoint} is finished: nothing to do")
    schedule_plot.draw(folder, console)
    results = checkpoint.load(folder.checkpoint).manifest.results
    with manifest.reading_results(folder.checkpoint):
        _report(folder, feed.chosen.objectives, results, console)


def _begin(feed: Feed, learner: Learner, how: str, console: Console) -> None:
    """Say what is trained, and how."""
    parameters = sum(p.numel() for p in learner.parameters())
    console.say(f"training {parameters:,} parameters for {how}")
    for line in feed.told(learner):
        console.say(line)


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
    start: Start,
) -> manifest.Manifest:
    """What the checkpoint says of its making."""
    return manifest.make(
        "pretrain",
        {**identity, **runtime.describe(), "processes": processes.size},
        plugins=feed.chosen.entries(),
        inputs=feed.inputs,
        parents={**feed.parents, **start.parents},
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
    losses = len(feed.chosen.objectives.modules)
    return optimisation.check(plan, full_batch=whole, losses=losses, shards=processes.shards)


def _report(
    folder: RunFolder, objectives: Objectives, metrics: Mapping[str, float], console: Console
) -> None:
    lines, warnings = objectives.told(metrics)
    for line in lines:
        console.say(line)
    for warning in warnings:
        console.warn(warning)
    console.result({"checkpoint": str(folder.checkpoint), **metrics})
