"""What a pretraining run is made of: its options, vocabulary, plug-ins and settings."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from sslkit import catalog
from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.plugins import restore
from sslkit.console import Console
from sslkit.contracts.domain import Domain, TokenDomain
from sslkit.engine import assemble, optimisation
from sslkit.errors import UsageError
from sslkit.options import Common
from sslkit.stages.pretrain import objectives as chosen_objectives
from sslkit.stages.pretrain.objectives import Objectives
from sslkit.vocab.vocabulary import Vocabulary

#: The kind of the first objective; further ones carry their name behind it.
OBJECTIVE = "objective"

D = TypeVar("D", bound=Domain)
D_co = TypeVar("D_co", bound=Domain, covariant=True)


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
    schedule: str
    optimizer: str
    weight_decay: float
    clip: float
    heldout: float
    precision: str
    shards: Path
    checkpoint_every: float
    parallel: str
    start_from: Path | None
    plot: bool
    probe_every: int | None
    task: str | None
    labels: list[Path] | None
    valid: list[Path] | None
    test: list[Path] | None
    sequence_column: str | None
    label_column: str | None
    id_column: str | None
    stop_when_gain_below: float | None
    all_files: bool


@dataclass(frozen=True)
class Chosen(Generic[D_co]):
    """The plug-ins of a run by kind: name, module and settings.

    Objectives after the first are of the kind ``objective NAME``.
    """

    plugins: dict[str, tuple[str, ModuleType, Any]]
    domain: D_co
    objectives: Objectives

    @property
    def across_rows(self) -> list[str]:
        """What makes rows of a micro-batch see each other, as messages name it."""
        norm = getattr(self.plugins["model"][2], "norm", "")
        return [*self.objectives.across_rows, *(["norm=batch"] if norm == "batch" else [])]

    def entries(self) -> dict[str, dict[str, Any]]:
        """As manifests hold them."""
        return {kind: manifest.plugin(*parts) for kind, parts in self.plugins.items()}


def choose(
    options: Options, vocab: Vocabulary, made: Manifest, console: Console
) -> Chosen[TokenDomain]:
    """The plug-ins: what the vocabulary was made with, unless a flag says otherwise."""
    inherited = made.plugins["domain"]
    name = options.domain or inherited["name"]
    if name != inherited["name"]:
        raise UsageError(
            f"{options.vocab} is a vocabulary of domain {inherited['name']}, not {name}",
            do=f"sslkit build-vocab --domain {name}, or leave --domain out",
        )
    restore("domain", made, options.vocab)
    if made.settings.get("canonical"):
        raise UsageError(
            f"{options.vocab} merges reverse complements, and a model reads one strand",
            do="sslkit build-vocab without --canonical",
        )
    modules = chosen_modules(options, name)
    method = made.settings.get("subword")
    if method and not getattr(modules["domain"][1], "PIECES", False):
        raise UsageError(
            f"{options.vocab} holds pieces of tokens, and domain {name} reads whole tokens",
            why=f"it was made with --subword {method}",
            do="sslkit build-vocab without --subword",
        )
    label = labels(modules)
    pairs = catalog.parse_pairs(options.set)
    if options.task:
        # The task of a probe has settings of its own.
        pairs = {n: v for n, v in pairs.items() if not n.startswith(f"{options.task}.")}
    if options.k is not None:
        pairs[f"{label['domain']}.k"] = str(options.k)
    objectives = of_objectives(modules)
    causal = chosen_objectives.causal(objectives)
    fixed = _fixed(options, causal, modules["model"][1])
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
    domain = assemble.domain_of(
        modules["domain"][1], settings[label["domain"]], vocab, options.vocab
    )
    for objective, module in objectives.items():
        needs = chosen_objectives.needs(module, domain.spec)
        catalog.check_fit(OBJECTIVE, objective, needs, name, modules["domain"][1].GIVES)
    console.say(
        f"read {options.vocab}: {len(vocab)} tokens of domain {name}, {plugins['domain'][2]}"
    )
    return made_of(plugins, domain, vocab)


def without_vocabulary(
    options: Options, none: Vocabulary
) -> tuple[dict[str, tuple[str, ModuleType, Any]], Any]:
    """The plug-ins of a run that counts no tokens, and the domain.

    Args:
        none: an empty vocabulary.

    Raises:
        UsageError: parts that do not fit together.
    """
    modules = chosen_modules(options, options.domain or "")
    label = labels(modules)
    pairs = catalog.parse_pairs(options.set)
    if options.task:
        pairs = {n: v for n, v in pairs.items() if not n.startswith(f"{options.task}.")}
    settings = catalog.settings(
        {label[kind]: module for kind, (_, module) in modules.items()}, pairs
    )
    plugins = {kind: (n, m, settings[label[kind]]) for kind, (n, m) in modules.items()}
    name, module, chosen = plugins["domain"]
    if "points" in module.GIVES:
        return plugins, module.Domain(chosen)
    return plugins, assemble.domain_of(module, chosen, none, Path(name))


def made_of(
    plugins: dict[str, tuple[str, ModuleType, Any]], domain: D, vocab: Vocabulary
) -> Chosen[D]:
    """Plug-ins with their domain and objectives."""
    modules = {n: m for kind, (n, m, _) in plugins.items() if kind.startswith(OBJECTIVE)}
    asked = {n: s for kind, (n, _, s) in plugins.items() if kind.startswith(OBJECTIVE)}
    counts = vocab.counts if len(vocab) else None
    return Chosen(plugins, domain, Objectives.of(modules, asked, domain.spec, counts))


def of_objectives(modules: Mapping[str, tuple[str, ModuleType]]) -> dict[str, ModuleType]:
    """The objectives among the chosen plug-ins, by name."""
    return {n: module for kind, (n, module) in modules.items() if kind.startswith(OBJECTIVE)}


def chosen_modules(options: Options, domain: str) -> dict[str, tuple[str, ModuleType]]:
    """The chosen plug-ins by kind: name and module.

    Raises:
        UsageError: objective or model do not fit the domain.
    """
    found = {"domain": (domain, catalog.load("domain", domain))}
    gives, kind = found["domain"][1].GIVES, OBJECTIVE
    for name, module in chosen_objectives.modules(options.objective).items():
        catalog.check_fit(OBJECTIVE, name, catalog.asks(OBJECTIVE, module), domain, gives)
        found[kind if kind not in found else f"{kind} {name}"] = (name, module)
    model = catalog.load("model", options.model)
    catalog.check_fit("model", options.model, catalog.asks("model", model), domain, gives)
    found["model"] = (options.model, model)
    return found | optimisation.modules(options.schedule, options.optimizer)


def labels(modules: Mapping[str, tuple[str, ModuleType]]) -> dict[str, str]:
    """What ``--set`` calls each plug-in: its name, or its kind where two have one name."""
    names = [name for name, _ in modules.values()]
    return {kind: name if names.count(name) == 1 else kind for kind, (name, _) in modules.items()}


def _fixed(options: Options, causal: bool | None, model: ModuleType) -> dict[str, bool]:
    """The settings of a model that its objectives decide.

    Raises:
        UsageError: the model looks at later tokens, and an objective predicts them.
    """
    fixed = {"causal": causal} if _knows_causal(model) and causal is not None else {}
    if causal and not (fixed or model.Model.causal):
        raise UsageError(
            f"objective {options.objective} does not fit model {options.model}",
            why="it predicts tokens from earlier ones, and the model looks at later ones too",
            do="use --objective mlm, or --model transformer",
        )
    return fixed


def _knows_causal(model: ModuleType) -> bool:
    return any(field.name == "causal" for field in dataclasses.fields(model.Settings))
