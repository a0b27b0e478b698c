"""Labelled records and frozen features of them, from a checkpoint or a table of embeddings."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sslkit import catalog
from sslkit.artifacts import manifest
from sslkit.console import Console
from sslkit.contracts.domain import counts_tokens
from sslkit.contracts.encoder import Encoder
from sslkit.contracts.supervision import Supervision
from sslkit.data import examples as labels
from sslkit.data import inherited, lineage
from sslkit.data.examples import Examples
from sslkit.engine import assemble
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.inference import encode, features, per_token
from sslkit.inference.windows import Plan
from sslkit.stages.probe.options import Options
from sslkit.supervision import choice

UNTRAINED, PRETRAINED, EMBEDDINGS = "untrained", "pretrained", "embeddings"


@dataclass(frozen=True)
class Features:
    """Labelled records and their frozen features.

    Attributes:
        compute: yields names and features of all records, as the supervision takes them; the last
            ones are evaluated, those before are baselines.
        plugins, parents, settings: for the manifest.
    """

    supervision: Supervision[Any]
    examples: Examples[Any]
    compute: Callable[[], Iterator[tuple[str, Any]]]
    plugins: Mapping[str, Any]
    parents: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def identity(self, options: Options, runtime: Runtime) -> dict[str, Any]:
        """All that decides the result: a manifest's fields without the results."""
        task = manifest.plugin(options.task, self.supervision.task, self.supervision.settings)
        return {
            "settings": {
                **self.settings,
                "seed": options.seed,
                "folds": options.folds,
                "test_share": None if options.folds else options.test_share,
                "on_error": options.on_error,
                **({} if self.examples.families is None else {"families": True}),
                **lineage.not_judged(self.examples),
                "device": runtime.device.type,
                "precision": runtime.precision,
            },
            "plugins": {**self.plugins, "task": task},
            "inputs": manifest.describe(self.examples.labelled.files),
            "parents": dict(self.parents),
        }


def supervision_of(
    options: Options, domain: str, pairs: list[str] | None = None
) -> Supervision[Any]:
    """The supervision of the task: what its labels are attached to.

    Args:
        pairs: ``--set`` pairs where they are not those of the options alone.

    Raises:
        UsageError: the task is not about this domain, or has no such settings.
    """
    task = catalog.load("task", options.task)
    task = labels.task_module(options.task, domain, (labels.supervision_of(task),))
    settings = catalog.parse_pairs(options.pairs if pairs is None else pairs)
    return choice.of(task, catalog.settings({options.task: task}, settings)[options.task])


def from_checkpoint(
    options: Options,
    encoded: Callable[[Encoder, Parts, Examples[Any], Plan], Any],
    runtime: Runtime,
    console: Console,
    *,
    pooled: bool,
) -> Features:
    """Baselines of the supervision, then features of the untrained and the pretrained encoder.

    Args:
        encoded: computes features of an encoder, as the supervision takes them.
        pooled: whether these are of whole records.
    """
    parts = assemble.from_checkpoint(options.checkpoint)
    console.say(parts.inherited())
    pairs = inherited.for_labels(options.pairs, options.task, parts, options.files, console)
    supervision = supervision_of(options, parts.domain_name, pairs)
    examples = supervision.read(
        options.files, parts.domain, options.on_error, console, families=options.families
    )
    examples = lineage.marked(examples, parts.checkpoint, parts.path, console)
    plan = _plan(options, parts, pooled)

    def compute() -> Iterator[tuple[str, Any]]:
        yield from supervision.baselines(parts.domain, examples).items()
        untrained = assemble.untrained(parts, options.seed)
        yield UNTRAINED, encoded(untrained.to(runtime.device), parts, examples, plan)
        yield PRETRAINED, encoded(parts.encoder.to(runtime.device), parts, examples, plan)

    names = [*(["pooling"] if pooled else []), "layer"]
    names += ["window", "overlap"] if counts_tokens(parts.domain) else []
    plugins = {kind: parts.manifest.plugins[kind] for kind in ("domain", "model")}
    settings = {name: getattr(plan, name) for name in names}
    parents = {str(parts.path): parts.sha256}
    console.say(_summary(parts, plan))
    return Features(supervision, examples, compute, plugins, parents, settings)


def _summary(parts: Parts, plan: Plan) -> str:
    """The kind of features, as a line for people."""
    pooling = "" if plan.pooling is None else f"{plan.pooling} over the tokens, "
    line = f"layer {plan.layer} of {parts.encoder.depth}, width {parts.encoder.width}"
    if not counts_tokens(parts.domain):
        return f"features: {line}"
    size, step = parts.domain.units(1), per_token.step(parts.domain)
    line = f"features: {pooling}{line}, windows of {plan.window} tokens"
    if plan.pooling is not None or size == 1:
        return line
    return (
        f"{line}; a token is {size} units and the next begins {step} later: each unit has the "
        "features of the token whose middle is nearest, the earlier of two"
        + (f", with columns for each of its {step} positions" if step > 1 else "")
    )


def _plan(options: Options, parts: Parts, pooled: bool) -> Plan:
    pooling = options.pooling if pooled else None
    if not counts_tokens(parts.domain):
        # Such records are not cut into windows.
        layer = encode.resolve_layer(options.layer, parts.encoder.depth)
        return Plan(pooling, layer, window=1, overlap=0)
    requested = {
        "pooling": pooling,
        "layer": options.layer,
        "window": options.window,
        "batch_tokens": options.batch_tokens,
    }
    return features.plan_of(requested, parts.context, parts.encoder.depth)
