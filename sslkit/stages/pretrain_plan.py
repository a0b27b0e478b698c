"""What a pretraining run is made of: its options, vocabulary, plug-ins and settings."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sslkit import catalog
from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.contracts import Domain
from sslkit.errors import DataError, UsageError
from sslkit.options import Common
from sslkit.stages import pretext
from sslkit.stages.pretext import Pretexts
from sslkit.vocab import vocabulary as vocabularies
from sslkit.vocab.vocabulary import Vocabulary

#: The kind of the first objective; further ones carry their name behind it.
OBJECTIVE = "objective"


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
    gradient_checkpointing: bool
    mem: str | None
    learning_rate: float | None
    weight_decay: float
    clip: float
    heldout: float
    precision: str
    shards: Path
    checkpoint_every: float


@dataclass(frozen=True)
class Chosen:
    """The plug-ins of a run by kind: name, module and settings.

    Objectives after the first are of the kind ``objective NAME``.
    """

    plugins: dict[str, tuple[str, ModuleType, Any]]
    domain: Domain
    pretexts: Pretexts

    @property
    def across_rows(self) -> list[str]:
        """What makes rows of a micro-batch see each other, as messages name it."""
        norm = getattr(self.plugins["model"][2], "norm", "")
        return [*self.pretexts.across_rows, *(["norm=batch"] if norm == "batch" else [])]

    def entries(self) -> dict[str, dict[str, Any]]:
        """As manifests hold them."""
        return {kind: manifest.plugin(*parts) for kind, parts in self.plugins.items()}


def vocabulary(path: Path) -> tuple[Vocabulary, Manifest]:
    """A vocabulary and what it says of its making.

    Raises:
        DataError: it holds no token.
    """
    vocab, text = vocabularies.load(path)
    if not len(vocab):
        raise DataError("the vocabulary is empty", where=str(path))
    return vocab, manifest.from_json(text, str(path))


def choose(options: Options, vocab: Vocabulary, made: Manifest, talk: Console) -> Chosen:
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
    if method := made.settings.get("subword"):
        raise UsageError(
            f"{options.vocab} holds pieces of words, and domain {name} reads whole words",
            why=f"it was made with --subword {method}",
            do="sslkit build-vocab without --subword",
        )
    modules = _modules(options, name)
    label = _labels(modules)
    pairs = catalog.parse_pairs(options.set)
    if options.k is not None:
        pairs[f"{label['domain']}.k"] = str(options.k)
    objectives = {n: module for kind, (n, module) in modules.items() if kind.startswith(OBJECTIVE)}
    causal = pretext.causal(objectives)
    fixed = {"causal": causal} if _knows_causal(modules["model"][1]) and causal is not None else {}
    settings = catalog.settings(
        {label[kind]: module for kind, (_, module) in modules.items()},
        pairs,
        {label["domain"]: inherited["settings"], label["model"]: fixed},
    )
    plugins = {kind: (n, module, settings[label[kind]]) for kind, (n, module) in modules.items()}
    if fixed and plugins["model"][2].causal is not causal:
        raise UsageError(
            f"--set causal={plugins['model'][2].causal} does not go with {options.objective}",
            do="leave it out: the objective decides it",
        )
    try:
        domain: Domain = modules["domain"][1].Domain(settings[label["domain"]], vocab)
    except UsageError as error:
        raise DataError(error.what, where=str(options.vocab), do=error.do) from error
    for objective, module in objectives.items():
        needs = pretext.needs(module, domain.spec)
        catalog.check_fit(objective, needs, name, modules["domain"][1].GIVES)
    talk.say(f"read {options.vocab}: {len(vocab)} tokens of domain {name}, {plugins['domain'][2]}")
    asked = {n: chosen for kind, (n, _, chosen) in plugins.items() if kind.startswith(OBJECTIVE)}
    return Chosen(plugins, domain, Pretexts.of(objectives, asked, domain.spec, vocab.counts))


def _modules(options: Options, domain: str) -> dict[str, tuple[str, ModuleType]]:
    """The chosen plug-ins by kind: name and module."""
    found = {"domain": (domain, catalog.load("domain", domain))}
    kind = OBJECTIVE
    for name, module in pretext.modules(options.objective).items():
        catalog.check_fit(name, module.NEEDS, domain, found["domain"][1].GIVES)
        found[kind if kind not in found else f"{kind} {name}"] = (name, module)
    return found | {"model": (options.model, catalog.load("model", options.model))}


def _labels(modules: Mapping[str, tuple[str, ModuleType]]) -> dict[str, str]:
    """What ``--set`` calls each plug-in: its name, or its kind where two have one name."""
    names = [name for name, _ in modules.values()]
    return {kind: name if names.count(name) == 1 else kind for kind, (name, _) in modules.items()}


def _knows_causal(model: ModuleType) -> bool:
    return any(field.name == "causal" for field in dataclasses.fields(model.Settings))
