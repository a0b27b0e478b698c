"""finetune: a pretrained encoder and a small head learn a task from few labels.

    sslkit finetune --task promoter --checkpoint pretrained --freeze 8

The checkpoint gives domain and encoder; the labels are read, checked and split; an adaptation
decides which weights of the encoder are trained; training ends when the validation loss stops
falling; the test part is predicted once, by the plain encoder, and scored with intervals.
"""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit import rng
from sslkit.artifacts import checkpoint, destination, kinds, manifest
from sslkit.artifacts.predictions import NAME as TABLE
from sslkit.artifacts.run import RunFolder, to_toml
from sslkit.console import Console
from sslkit.contracts.adaptation import Before
from sslkit.contracts.encoder import Encoder
from sslkit.contracts.supervision import Predictions
from sslkit.data.splits import PARTS
from sslkit.engine import adaptations, assemble, optimisation, schedule_plot
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World, world
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner
from sslkit.engine.loop import Training
from sslkit.engine.plan import Plan, Work
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.inference import prediction
from sslkit.stages.finetune import report
from sslkit.stages.finetune.options import Options
from sslkit.stages.finetune.resolve import Resolved, identity, resolve, start
from sslkit.supervision.record_rows import shuffled
from sslkit.types import Arrays

_WARMUP_SHARE = 0.1
_EVALUATION_ROWS = 64


def run(options: Options, console: Console) -> None:
    """Fine-tune, or continue to; see the command's help."""
    folder = RunFolder(options.out or Path("finetuned") / options.task)
    destination.check(folder.path, kinds.FINETUNED, options)
    with world() as processes, stopping() as stop, ExitStack() as stack:
        console = console if processes.is_main_process else Console(quiet=True)
        precision = optimisation.precision(folder, options.precision, options.optimizer)
        threads = optimisation.threads(folder, options.threads, options.force, console)
        runtime = runtimes.prepare(options.device, threads, precision, processes)

        # ---- Data: labelled records, divided, read by the checkpoint's domain ----
        with stop.at_once("nothing was begun"):
            resolved = resolve(options, console)
        processes.share(_rows(resolved), "--batch")
        plan, decisive = _plan(resolved), identity(resolved, runtime)

        # ---- The run's folder: one run at a time, and what is finished is not done again ----
        if processes.is_main_process:
            stack.enter_context(folder.alone(console.warn, force=options.force))
            config = to_toml("finetune", {**vars(options), "force": None, "given": None})
            optimisation.claim(
                *(folder, decisive, config, options.force, runtime, processes.size, console)
            )
        processes.barrier()
        if folder.checkpoint.is_file():
            console.say(f"{folder.checkpoint} is finished: nothing to do")
            schedule_plot.draw(folder, console)
            with manifest.reading_results(folder.checkpoint):
                report.show(checkpoint.load(folder.checkpoint).manifest, folder, console)
            return

        # ---- Model and loss: the adapted encoder, and a head for the task ----
        learner, work = _learner(resolved, console), _work(resolved, processes, runtime)
        _prepare(resolved, learner, work, runtime)

        # ---- Loop: the one of all stages ----
        reached = Training(
            learner=learner,
            rates=resolved.adapted.rates,
            work=work,
            plan=plan,
            runtime=runtime,
            world=processes,
            folder=folder,
        ).run(stop, console)

        # ---- Output: predictions of the test part, their metrics, and a checkpoint ----
        if processes.is_main_process:
            _finish(resolved, learner, runtime, reached, decisive, folder, console)
        processes.barrier()


def _learner(resolved: Resolved, console: Console) -> Learner:
    """The adapted encoder with a head; report which weights are trained."""
    adapted, seed = resolved.adapted, resolved.options.seed
    if resolved.options.from_scratch:
        console.say("from scratch: the same shape with fresh weights")
    torch.manual_seed(int(rng.key(seed, "head") >> rng.SHIFT))
    _, module, settings = resolved.plugins["objective"]
    learner = Learner(adapted.encoder, module.Objective(settings), adaptations=adapted.adaptations)
    adapted.rates.freeze()
    for line in adaptations.summary_lines(learner.encoder, learner.head):
        console.say(line)
    return learner


def _prepare(resolved: Resolved, learner: Learner, work: Work, runtime: Runtime) -> None:
    """Let adaptations prepare themselves before the first step."""

    def encoder() -> Encoder:
        parts = assemble.from_checkpoint(resolved.options.checkpoint)
        return start(resolved.options, parts).to(runtime.device, runtime.dtype)

    learner.to(runtime.device, runtime.dtype)
    learner.adaptations.prepare(learner, Before(encoder, work.batches))


def _plan(resolved: Resolved) -> Plan:
    options = resolved.options
    in_pass = math.ceil(len(resolved.split.rows("train")) / options.batch)
    plan = Plan(
        steps=resolved.steps,
        learning_rate=options.learning_rate or 0.0,
        warmup=max(1, round(_WARMUP_SHARE * resolved.steps)),
        weight_decay=options.weight_decay,
        clip=1.0,
        evaluate_every=max(10, in_pass // 2),
        seed=options.seed,
        keep_best="heldout_loss" if resolved.chooses else "",
        patience=options.patience,
        checkpoint_seconds=options.checkpoint_every,
        steering=optimisation.steering(
            resolved.plugins, len(resolved.split.rows("train")) / _rows(resolved)
        ),
    )
    return optimisation.check(plan, full_batch=False)


def _rows(resolved: Resolved) -> int:
    return min(resolved.options.batch, len(resolved.split.rows("train")))


def _work(resolved: Resolved, processes: World, runtime: Runtime) -> Work:
    options = resolved.options
    train = resolved.split.rows("train")
    size = _rows(resolved)

    def batches(step: int) -> list[Arrays]:
        examples = np.arange(step * size, (step + 1) * size)[processes.rank :: processes.size]
        if not len(examples):
            return []
        rows = shuffled(train, examples, options.seed)
        return [resolved.prepared.rows.drawn(rows, examples, options.seed)]

    valid = resolved.split.rows("valid")
    evaluated = resolved.prepared.rows.evaluation(valid, _EVALUATION_ROWS)

    def evaluate(learner: Learner) -> dict[str, float]:
        return mean_losses(learner, evaluated, processes, runtime)

    spec = resolved.parts.domain.spec
    return Work(batches, evaluate, unit="tokens" if "tokens" in spec else next(iter(spec)))


def _predict(
    resolved: Resolved, learner: Learner, runtime: Runtime, folder: RunFolder
) -> tuple[Predictions, int]:
    """Predictions of the test part, and the number of samples of the weights they average."""
    prepared, examples = resolved.prepared, resolved.examples
    supervision = prepared.supervision
    rows = supervision.predicted(examples, resolved.split.rows("test"))
    score = prediction.scorer(learner, runtime)
    decoded, samples = optimisation.averaged(
        folder,
        learner,
        lambda: supervision.decode(
            prepared.rows.outputs(score, rows, _EVALUATION_ROWS), prepared.rows
        ),
    )
    return supervision.predictions(examples, rows, decoded), samples


def _finish(
    resolved: Resolved,
    learner: Learner,
    runtime: Runtime,
    reached: dict[str, float],
    decisive: dict[str, Any],
    folder: RunFolder,
    console: Console,
) -> None:
    """Predict and score; write the predictions, then the checkpoint, which marks the end."""
    parts = resolved.parts
    learner.merge()
    predictions, samples = _predict(resolved, learner, runtime, folder)
    if samples:
        console.say(f"predictions are means over {samples} samples of the weights")
    metrics = report.score(predictions.of(resolved.split.rows("test")), resolved.options.seed)
    pretrained = parts.manifest.plugins
    inherited = {k: v for k, v in pretrained.items() if not optimisation.is_training(k)}
    final = manifest.make(
        "finetune",
        decisive
        | {"context": parts.context, "predicts": resolved.prepared.stated()}
        | runtime.describe()
        | folder.roundings(),
        plugins=inherited | decisive["plugins"],
        inputs=manifest.describe(resolved.examples.labelled.files),
        parents={str(parts.path): parts.sha256},
        results=reached | metrics,
    )
    table = folder.path / TABLE
    divided = predictions.of(predictions.rows[resolved.split.part[predictions.rows] >= 0])
    parts_of = [PARTS[resolved.split.part[row]] for row in divided.rows]
    resolved.prepared.supervision.save(table, {"": divided}, parts_of, final.to_json())
    schedule_plot.draw(folder, console)
    assemble.write(folder, learner.parts(), final, parts.vocabulary, resolved.learned)
    console.say(f"wrote {folder.checkpoint} (weights of step {reached['step']}) and {table}")
    console.say(runtime.bytes_depend_on(resolved.options.seed))
    report.show(final, folder, console)
