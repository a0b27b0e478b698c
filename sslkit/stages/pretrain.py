"""pretrain: an encoder learns to predict hidden parts of unlabelled data.

The story: the vocabulary names the domain and the corpus; the corpus becomes memory-mapped
shards; some segments are held out; the one loop trains; a checkpoint holds all that later stages
need.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.manifest import Input, Manifest
from sslkit.artifacts.run import RunFolder, to_toml
from sslkit.console import Console
from sslkit.contracts import Counted
from sslkit.data.windows import Windows
from sslkit.engine import optimizers
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World, world
from sslkit.engine.loop import Learner, Plan, Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.files import source
from sslkit.modules import Encoder
from sslkit.stages import assemble, corpora, counts, memory_plan
from sslkit.stages import pretrain_plan as plans
from sslkit.stages import pretrain_work as works
from sslkit.stages.pretext import Pretexts
from sslkit.stages.pretrain_plan import Chosen, Options

_EVALUATIONS, _EVALUATE_STEPS = 20, 50
#: The default number of steps reads the corpus so many times, within limits.
_PASSES = 4
_FEWEST_STEPS, _MOST_STEPS = 200, 20_000
_WARMUP_SHARE = 0.05
_RATE = 1e-3


def run(options: Options, console: Console) -> None:
    """Pretrain, or continue to; see the command's help."""
    with world() as processes, stopping() as stop, ExitStack() as stack:
        talk = console if processes.leads else Console(quiet=True)
        folder = RunFolder(options.out or Path("pretrained"))
        precision = folder.settled("precision", options.precision)
        runtime = runtimes.prepare(options.device, options.threads, precision, processes)
        processes.share(max(1, options.batch_tokens // options.window), "--batch-tokens")
        kept = f"what was encoded is in {options.shards}"
        with stop.at_once(kept):
            vocab, made = plans.vocabulary(options.vocab)
            chosen = plans.choose(options, vocab, made, talk)
            inputs, data = _data(options, chosen, made, processes, talk)
        rows = works.rows(options, chosen, data[0])
        works.check_company(options, chosen, rows, processes)
        learner = works.learner(options, chosen)
        options, steps = _settled(options, chosen, learner, data[0], rows)
        options = memory_plan.fit(options, chosen, learner, rows, runtime, processes, folder, talk)
        identity = _identity(options, chosen, inputs, runtime, steps, processes)
        if processes.leads:
            stack.enter_context(folder.alone(talk.warn, force=options.force))
            config = to_toml("pretrain", {**vars(options), "force": None})
            folder.claim(identity, config, force=options.force)
        processes.wait()
        if folder.checkpoint.is_file():
            talk.say(f"{folder.checkpoint} is finished: nothing to do")
            results = checkpoint.load(folder.checkpoint).manifest.results
            _report(folder, chosen.pretexts, results, talk)
            return
        with stop.at_once(kept):
            work, read = works.work(options, chosen, rows, learner, data, processes, runtime)
        talk.say(
            f"training {sum(p.numel() for p in learner.parameters()):,} parameters for {steps} "
            f"steps of {read} in {runtime.precision} on {runtime.device}: "
            f"{processes.size} process(es), {runtime.threads} thread(s) each"
        )
        _tell_sight(learner.encoder, options.window, talk)
        training = Training(
            learner=learner,
            rates=Rates({}),
            work=work,
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
) -> tuple[tuple[Input, ...], tuple[Windows, Windows]]:
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
    return inputs, corpora.windows(inputs, chosen.domain, version, cut, processes, talk)


def _settled(
    options: Options, chosen: Chosen, learner: Learner, train: Windows, rows: int
) -> tuple[Options, int]:
    """The options with a learning rate, and the number of steps."""
    objective = chosen.pretexts.objective
    counted = counts.asked(objective, learner.encoder)
    steps = options.steps or (counts.STEPS if counted else _default_steps(rows, train))
    rate = options.learning_rate
    if counted:
        rate = counts.RATE if rate is None else rate
    elif isinstance(objective, Counted):
        optimizers.make_sparse(learner)
        rate = counts.SAMPLED_RATE if rate is None else rate
    elif rate is None:
        rate = _RATE
    return replace(options, learning_rate=rate), steps


def _default_steps(rows: int, train: Windows) -> int:
    wanted = math.ceil(_PASSES * len(train) / rows)
    return min(max(wanted, _FEWEST_STEPS), _MOST_STEPS)


def _identity(
    options: Options,
    chosen: Chosen,
    inputs: tuple[Input, ...],
    runtime: Runtime,
    steps: int,
    processes: World,
) -> dict[str, Any]:
    """All that decides the result, but for what changes its rounding only.

    That is the number of threads, and how a step is cut into micro-batches and dealt out to
    processes, unless rows that lie in one micro-batch see each other.
    """
    cut = {"micro_tokens": options.micro_tokens, "processes": processes.size}
    return {
        **(cut if chosen.across_rows else {}),
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


def _tell_sight(encoder: Encoder, window: int, talk: Console) -> None:
    if encoder.sight is not None:
        where = "back" if encoder.causal else "to each side"
        talk.say(f"a state depends on {encoder.sight} tokens {where}; a window has {window}")


def _plan(options: Options, steps: int) -> Plan:
    return Plan(
        steps=steps,
        learning_rate=options.learning_rate or 0.0,
        warmup=max(1, round(_WARMUP_SHARE * steps)),
        weight_decay=options.weight_decay,
        clip=options.clip,
        evaluate_every=max(_EVALUATE_STEPS, math.ceil(steps / _EVALUATIONS)),
        seed=options.seed,
        checkpoint_seconds=options.checkpoint_every,
    )


def _report(
    folder: RunFolder, pretexts: Pretexts, metrics: Mapping[str, float], talk: Console
) -> None:
    lines, warnings = pretexts.told(metrics)
    for line in lines:
        talk.say(line)
    for warning in warnings:
        talk.warn(warning)
    talk.result({"checkpoint": str(folder.checkpoint), **metrics})
