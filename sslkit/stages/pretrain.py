"""pretrain: an encoder learns to predict hidden parts of unlabelled data.

The story: the vocabulary names the domain and the corpus; the corpus becomes memory-mapped
shards; some segments are held out; the one loop trains; a checkpoint holds all that later stages
need.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit import rng
from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.manifest import Input, Manifest
from sslkit.artifacts.run import RunFolder, to_toml
from sslkit.console import Console
from sslkit.data import batching
from sslkit.data.batching import Dealing
from sslkit.data.windows import Windows
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World, world
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.loop import Learner, Plan, Training, Work
from sslkit.engine.optimizers import Rates
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.files import source
from sslkit.stages import assemble, corpora
from sslkit.stages import pretrain_plan as plans
from sslkit.stages.pretext import Pretexts
from sslkit.stages.pretrain_plan import Chosen, Options
from sslkit.types import Array, Arrays, Draws

_EVALUATIONS, _EVALUATE_STEPS = 20, 50
#: The default number of steps reads the corpus so many times, within limits.
_PASSES = 4
_FEWEST_STEPS, _MOST_STEPS = 200, 20_000
_WARMUP_SHARE = 0.05
#: What one more micro-batch costs on a CPU, in tokens; on a GPU, more than padding can.
_CPU_OVERHEAD = 256


def run(options: Options, console: Console) -> None:
    """Pretrain, or continue to; see the command's help."""
    with world() as processes, stopping() as stop, ExitStack() as stack:
        talk = console if processes.leads else Console(quiet=True)
        folder = RunFolder(options.out or Path("pretrained"))
        precision = folder.settled("precision", options.precision)
        runtime = runtimes.prepare(options.device, options.threads, precision, processes)
        processes.share(max(1, options.batch_tokens // options.window), "--batch-tokens")
        with stop.at_once(f"what was encoded is in {options.shards}"):
            vocab, made = plans.vocabulary(options.vocab)
            chosen = plans.choose(options, vocab, made, talk)
            inputs, train, held = _data(options, chosen, made, processes, talk)
        rows = _rows(options, chosen, train)
        steps = options.steps or _default_steps(rows, train)
        identity = _identity(options, chosen, inputs, runtime, steps)
        if processes.leads:
            stack.enter_context(folder.alone(talk.warn, force=options.force))
            config = to_toml("pretrain", {**vars(options), "force": None})
            folder.claim(identity, config, force=options.force)
        processes.wait()
        if folder.checkpoint.is_file():
            talk.say(f"{folder.checkpoint} is finished: nothing to do")
            held_results = checkpoint.load(folder.checkpoint).manifest.results
            _report(folder, chosen.pretexts, held_results, talk)
            return
        learner = _learner(options, chosen)
        talk.say(
            f"training {sum(p.numel() for p in learner.parameters()):,} parameters for {steps} "
            f"steps of {options.batch_tokens} tokens in {runtime.precision} on {runtime.device}: "
            f"{processes.size} process(es), {runtime.threads} thread(s) each"
        )
        training = Training(
            learner=learner,
            rates=Rates({}),
            work=_work(options, chosen, rows, train, held, processes, runtime),
            plan=_plan(options, steps),
            runtime=runtime,
            world=processes,
            folder=folder,
        )
        metrics = training.run(stop, talk)
        if processes.leads:
            described = manifest.make(
                "pretrain",
                identity | runtime.describe() | {"processes": processes.size},
                plugins=chosen.entries(),
                inputs=inputs,
                parents={str(options.vocab): source.digest(options.vocab)},
                results=metrics,
            )
            assemble.write(folder, learner, described, vocab)
            talk.say(f"wrote {folder.checkpoint}")
            _report(folder, chosen.pretexts, metrics, talk)
        processes.wait()


def _data(
    options: Options, chosen: Chosen, made: Manifest, processes: World, talk: Console
) -> tuple[tuple[Input, ...], Windows, Windows]:
    """The corpus: its files, windows to train on and windows held out."""
    name, module, _ = chosen.plugins["domain"]
    inputs = manifest.describe(corpora.files(options.corpus, module.ENDINGS, made, talk))
    cut = corpora.Cut(
        window=options.window,
        heldout=options.heldout,
        seed=options.seed,
        cache=options.shards,
        on_error=options.on_error,
    )
    version = f"{name} {module.VERSION}"
    return inputs, *corpora.windows(inputs, chosen.domain, version, cut, processes, talk)


def _rows(options: Options, chosen: Chosen, train: Windows) -> int:
    """Windows of a step: where records are shorter than a window, more of them."""
    return max(1, options.batch_tokens // max(1, chosen.domain.length(math.ceil(train.mean))))


def _default_steps(rows: int, train: Windows) -> int:
    wanted = math.ceil(_PASSES * len(train) / rows)
    return min(max(wanted, _FEWEST_STEPS), _MOST_STEPS)


def _identity(
    options: Options, chosen: Chosen, inputs: tuple[Input, ...], runtime: Runtime, steps: int
) -> dict[str, Any]:
    """All that decides the result, but for the number of threads and processes."""
    return {
        "window": options.window,
        "context": options.window,
        "batch_tokens": options.batch_tokens,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "clip": options.clip,
        "heldout": options.heldout,
        "seed": options.seed,
        "steps": steps,
        "precision": runtime.precision,
        "plugins": chosen.entries(),
        "vocabulary": source.digest(options.vocab),
        "corpus": {entry.path: entry.sha256 for entry in inputs},
    }


def _learner(options: Options, chosen: Chosen) -> Learner:
    torch.manual_seed(int(rng.key(options.seed, "encoder") >> rng.SHIFT))
    _, module, settings = chosen.plugins["model"]
    encoder = module.Model(settings, chosen.domain.spec)
    return Learner(encoder, chosen.pretexts.objective, chosen.pretexts.weights)


def _plan(options: Options, steps: int) -> Plan:
    return Plan(
        steps=steps,
        learning_rate=options.learning_rate,
        warmup=max(1, round(_WARMUP_SHARE * steps)),
        weight_decay=options.weight_decay,
        clip=options.clip,
        evaluate_every=max(_EVALUATE_STEPS, math.ceil(steps / _EVALUATIONS)),
        seed=options.seed,
        checkpoint_seconds=options.checkpoint_every,
    )


def _dealing(options: Options, chosen: Chosen, runtime: Runtime) -> Dealing:
    """How the rows of a step become micro-batches."""
    if any(getattr(m, "ACROSS_ROWS", False) for m in chosen.pretexts.modules.values()):
        return batching.in_order(max(1, options.micro_tokens // options.window))
    overhead = _CPU_OVERHEAD if runtime.device.type == "cpu" else options.micro_tokens
    return batching.by_length(chosen.domain.length, options.micro_tokens, overhead)


def _work(
    options: Options,
    chosen: Chosen,
    rows: int,
    train: Windows,
    held: Windows,
    processes: World,
    runtime: Runtime,
) -> Work:
    dealing = _dealing(options, chosen, runtime)
    objective, needs = chosen.pretexts.objective, chosen.pretexts.needs

    def prepared(units: Array, lengths: Array, draws: Draws) -> Arrays:
        return objective.prepare(chosen.domain.batch(units, lengths, draws, needs), draws)

    def batches(step: int) -> list[Arrays]:
        mine = np.arange(step * rows, (step + 1) * rows)[processes.rank :: processes.size]
        units, lengths = train.rows(mine)
        return [
            prepared(
                *batching.cropped(units, lengths, some), rng.Counter(options.seed, step, mine[some])
            )
            for some in dealing(lengths)
        ]

    evaluated = corpora.evaluation(held, options.window, dealing, prepared)
    floors = chosen.pretexts.floors(evaluated)

    def evaluate(learner: Learner) -> dict[str, float]:
        losses = mean_losses(learner, evaluated, processes, runtime)
        return chosen.pretexts.judged(losses, floors)

    return Work(batches, evaluate)


def _report(
    folder: RunFolder, pretexts: Pretexts, metrics: Mapping[str, float], talk: Console
) -> None:
    lines, warnings = pretexts.told(metrics)
    for line in lines:
        talk.say(line)
    for warning in warnings:
        talk.warn(warning)
    talk.result({"checkpoint": str(folder.checkpoint), **metrics})
