"""pretrain: an encoder learns to predict hidden parts of unlabelled data.

The story: the vocabulary names the domain and the corpus; the corpus becomes memory-mapped
shards; some segments are held out; the one loop trains; a checkpoint holds all that later stages
need.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from sslkit import catalog, rng
from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.manifest import Input, Manifest
from sslkit.artifacts.run import RunFolder, to_toml
from sslkit.console import Console
from sslkit.data.windows import Windows
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World, world
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.loop import Learner, Plan, Training, Work
from sslkit.engine.optimizers import Rates
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.errors import DataError, UsageError
from sslkit.files import source
from sslkit.options import Common
from sslkit.stages import assemble, corpora
from sslkit.types import Arrays, Domain, Objective
from sslkit.vocab import vocabulary as vocabularies
from sslkit.vocab.vocabulary import Vocabulary

_EVALUATIONS, _EVALUATE_STEPS = 20, 50
#: The default number of steps reads the corpus so many times, within limits.
_PASSES = 4
_FEWEST_STEPS, _MOST_STEPS = 200, 20_000
_WARMUP_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of pretrain; the command line holds their meaning and defaults."""

    corpus: list[Path] | None
    domain: str | None
    k: int | None
    objective: str
    model: str
    vocab: Path
    steps: int | None
    window: int
    batch_tokens: int
    micro_tokens: int
    learning_rate: float
    weight_decay: float
    clip: float
    heldout: float
    precision: str
    shards: Path
    checkpoint_every: float


@dataclass(frozen=True)
class _Chosen:
    """The plug-ins of a run by kind: name, module and settings."""

    plugins: dict[str, tuple[str, ModuleType, Any]]
    domain: Domain
    objective: Objective

    def entries(self) -> dict[str, dict[str, Any]]:
        """As manifests hold them."""
        return {kind: manifest.plugin(*parts) for kind, parts in self.plugins.items()}


def run(options: Options, console: Console) -> None:
    """Pretrain, or continue to; see the command's help."""
    with world() as processes, stopping() as stop, ExitStack() as stack:
        talk = console if processes.leads else Console(quiet=True)
        folder = RunFolder(options.out or Path("pretrained"))
        precision = folder.settled("precision", options.precision)
        runtime = runtimes.prepare(options.device, options.threads, precision, processes)
        processes.share(_rows(options), "--batch-tokens")
        with stop.at_once(f"what was encoded is in {options.shards}"):
            vocab, made = _vocabulary(options.vocab)
            chosen = _choose(options, vocab, made, talk)
            inputs, train, held = _data(options, chosen, made, processes, talk)
        steps = options.steps or _default_steps(options, train)
        identity = _identity(options, chosen, inputs, runtime, steps)
        if processes.leads:
            stack.enter_context(folder.alone(talk.warn, force=options.force))
            config = to_toml("pretrain", {**vars(options), "force": None})
            folder.claim(identity, config, force=options.force)
        processes.wait()
        if folder.checkpoint.is_file():
            talk.say(f"{folder.checkpoint} is finished: nothing to do")
            _report(folder, checkpoint.load(folder.checkpoint).manifest.results, talk)
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
            work=_work(options, chosen, train, held, vocab, processes, runtime),
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
            _report(folder, metrics, talk)
        processes.wait()


def _data(
    options: Options, chosen: _Chosen, made: Manifest, processes: World, talk: Console
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


def _vocabulary(path: Path) -> tuple[Vocabulary, Manifest]:
    vocab, text = vocabularies.load(path)
    if not len(vocab):
        raise DataError("the vocabulary is empty", where=str(path))
    return vocab, manifest.from_json(text, str(path))


def _choose(options: Options, vocab: Vocabulary, made: Manifest, talk: Console) -> _Chosen:
    """The plug-ins: what the vocabulary was made with, unless a flag says otherwise."""
    inherited = made.plugins["domain"]
    name = options.domain or inherited["name"]
    if name != inherited["name"]:
        raise UsageError(
            f"{options.vocab} is a vocabulary of domain {inherited['name']}, not {name}",
            do=f"sslkit build-vocab --domain {name}, or leave --domain out",
        )
    if made.settings.get("canonical"):
        raise UsageError(
            f"{options.vocab} merges reverse complements, and a model reads one strand",
            do="sslkit build-vocab without --canonical",
        )
    modules = {
        "domain": (name, catalog.load("domain", name)),
        "objective": (options.objective, catalog.load("objective", options.objective)),
        "model": (options.model, catalog.load("model", options.model)),
    }
    domain, objective = modules["domain"][1], modules["objective"][1]
    catalog.check_fit(options.objective, objective.NEEDS, name, domain.GIVES)
    pairs = catalog.parse_pairs(options.set)
    if options.k is not None:
        pairs[f"{name}.k"] = str(options.k)
    settings = catalog.settings(
        dict(modules.values()),
        pairs,
        {name: inherited["settings"]},
    )
    plugins = {kind: (given, module, settings[given]) for kind, (given, module) in modules.items()}
    try:
        made_domain: Domain = domain.Domain(settings[name], vocab)
    except UsageError as error:
        raise DataError(error.what, where=str(options.vocab), do=error.do) from error
    talk.say(f"read {options.vocab}: {len(vocab)} tokens of domain {name}, {settings[name]}")
    return _Chosen(
        plugins,
        made_domain,
        objective.Objective(settings[options.objective], made_domain.spec, vocab.counts),
    )


def _rows(options: Options) -> int:
    return max(1, options.batch_tokens // options.window)


def _default_steps(options: Options, train: Windows) -> int:
    wanted = math.ceil(_PASSES * len(train) / _rows(options))
    return min(max(wanted, _FEWEST_STEPS), _MOST_STEPS)


def _identity(
    options: Options, chosen: _Chosen, inputs: tuple[Input, ...], runtime: Runtime, steps: int
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


def _learner(options: Options, chosen: _Chosen) -> Learner:
    torch.manual_seed(int(rng.key(options.seed, "encoder") >> rng.SHIFT))
    _, module, settings = chosen.plugins["model"]
    encoder = module.Model(settings, chosen.domain.spec)
    return Learner(encoder, chosen.objective)


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


def _work(
    options: Options,
    chosen: _Chosen,
    train: Windows,
    held: Windows,
    vocab: Vocabulary,
    processes: World,
    runtime: Runtime,
) -> Work:
    rows = _rows(options)
    micro = max(1, options.micro_tokens // options.window)

    def batches(step: int) -> list[Arrays]:
        mine = np.arange(step * rows, (step + 1) * rows)[processes.rank :: processes.size]
        found = []
        for at in range(0, len(mine), micro):
            examples = mine[at : at + micro]
            draws = rng.Counter(options.seed, step, examples)
            made = chosen.domain.batch(*train.rows(examples), draws)
            found.append(chosen.objective.prepare(made, draws))
        return found

    evaluated = corpora.evaluation(chosen.domain, chosen.objective, held, options.window, micro)
    unigram = corpora.unigram_loss(evaluated, vocab)

    def evaluate(learner: Learner) -> dict[str, float]:
        loss = mean_losses(learner, evaluated, processes, runtime)["heldout_loss"]
        return {
            "heldout_loss": loss,
            "heldout_perplexity": math.exp(min(loss, 700.0)),
            "unigram_loss": unigram,
        }

    return Work(batches, evaluate)


def _report(folder: RunFolder, metrics: Mapping[str, float], talk: Console) -> None:
    gain = metrics["unigram_loss"] - metrics["heldout_loss"]
    talk.say(
        f"held-out perplexity {metrics['heldout_perplexity']:.1f} "
        f"({metrics['heldout_loss']:.3f} nats per token), unigram "
        f"{math.exp(metrics['unigram_loss']):.1f} ({metrics['unigram_loss']:.3f}): "
        f"{gain:+.3f} nats learned beyond counts"
    )
    if gain <= 0:
        talk.warn("the model is no better than the token counts: train longer, or check the data")
    talk.result({"checkpoint": str(folder.checkpoint), **metrics})
