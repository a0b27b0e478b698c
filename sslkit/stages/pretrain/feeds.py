"""What a pretraining run is fed with: chosen plug-ins, data, and how much of it makes a run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import torch

from sslkit import catalog, rng
from sslkit.artifacts.manifest import Input
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.domain import Domain
from sslkit.contracts.encoder import Encoder
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.stages.pretrain.corpus import Corpus
from sslkit.stages.pretrain.equation import Equation
from sslkit.stages.pretrain.records import Records
from sslkit.vocab.vocabulary import Vocabulary


class Feed(Protocol):
    """All of a run that hangs on what its examples are: windows, counted pairs, points."""

    @property
    def chosen(self) -> Chosen[Domain]:
        """The plug-ins."""
        ...

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The files that are read."""
        ...

    @property
    def parents(self) -> Mapping[str, str]:
        """The artifacts that it comes from, and their hashes."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary; empty where there is none."""
        ...

    @property
    def unused(self) -> frozenset[str]:
        """Names of options that mean nothing here."""
        ...

    @property
    def passes(self) -> float:
        """Steps in which all of the data is read once, where each reads a part."""
        ...

    def is_whole(self, learner: Learner) -> bool:
        """Whether every step asks the same of all the data."""
        ...

    def fitted(
        self, learner: Learner, runtime: Runtime, folder: RunFolder, console: Console
    ) -> "Feed":
        """The same in micro-batches that fit into the memory that is given."""
        ...

    def settled(self, learner: Learner) -> tuple[Options, int]:
        """The options with a learning rate, and the number of steps."""
        ...

    def identity(self) -> dict[str, Any]:
        """What of it decides the result, besides the plug-ins and the files."""
        ...

    def work(self, learner: Learner, runtime: Runtime) -> tuple[Work, str]:
        """What is trained on, and what a step reads of it."""
        ...

    def told(self, learner: Learner) -> list[str]:
        """What a person should know before it begins."""
        ...

    def finish(
        self, learner: Learner, metrics: Mapping[str, float], folder: RunFolder, runtime: Runtime
    ) -> list[str]:
        """Write what belongs beside the checkpoint, and say so."""
        ...


def settled_by_domain(options: Options) -> Options:
    """The options as the domain usually wants them, where nothing else was asked for."""
    if options.domain is None:
        return options
    module = catalog.load("domain", options.domain)
    usual: Mapping[str, Any] = getattr(module, "USUAL", {})
    return replace(options, **{n: v for n, v in usual.items() if n not in options.given})


def of(options: Options, processes: World, console: Console) -> Feed:
    """The feed that the domain's examples need.

    Raises:
        UsageError: parts that do not fit together.
    """
    gives = catalog.load("domain", options.domain).GIVES if options.domain else {"tokens"}
    if "points" in gives:
        return Equation.of(options, processes, console)
    if options.plot:
        raise UsageError(
            "--plot draws the solution of an equation",
            do="leave it out, or choose --domain physics",
        )
    kind = Corpus if "tokens" in gives else Records
    return kind.of(options, processes, console)


def learner(options: Options, chosen: Chosen[Domain]) -> Learner:
    """A learner with the first weights of a seed.

    Raises:
        UsageError: gradient checkpointing is asked of a model without blocks.
    """
    torch.manual_seed(int(rng.key(options.seed, "encoder") >> rng.SHIFT))
    name, module, settings = chosen.plugins["model"]
    model: Encoder = module.Model(settings, chosen.domain.spec)
    if options.gradient_checkpointing and not model.depth:
        raise UsageError(f"--gradient-checkpointing: {name} has no blocks", do="leave it out")
    model.checkpointing = options.gradient_checkpointing
    return Learner(model, chosen.objectives.objective, chosen.objectives.factors)
