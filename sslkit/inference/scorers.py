"""Which of a checkpoint's objectives scores records, and the scorer that it makes."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from sslkit import catalog
from sslkit.artifacts import plugins
from sslkit.contracts.objective import Energy, Likelihood
from sslkit.engine import assemble, rebuild
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.inference.scoring import Scorer
from sslkit.inference.windows import BATCH_TOKENS, Plan

#: The share of a window that it has in common with the next where nothing else is asked for: where
#: tokens are hidden one by one it costs nothing.
_OVERLAP = 2


def scorer(
    model: assemble.Parts,
    runtime: Runtime,
    *,
    objective: str | None = None,
    window: int | None = None,
    overlap: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    spacing: int | None = None,
) -> tuple[str, Scorer]:
    """The objective that scores, by name, and the model as it reads.

    Args:
        objective: of several trained together; None takes the first that can score.
        window, overlap: None for as trained, and half of it.

    Raises:
        UsageError: nothing in the checkpoint can score, or not what was asked for.
        DataError: the checkpoint does not fit its own description.
    """
    name, judge, head = _objective(objective, model)
    window = window or model.context
    if window > model.context:
        raise UsageError(
            f"windows of {window} tokens are longer than what the encoder was trained on",
            why=f"that was {model.context} tokens",
            do=f"choose --window up to {model.context}",
        )
    overlap = window // _OVERLAP if overlap is None else overlap
    return name, Scorer(
        encoder=model.encoder.to(runtime.device).eval(),
        head=head.to(runtime.device).eval(),
        objective=judge,
        domain=model.domain,
        plan=Plan(None, model.encoder.depth, window, overlap, batch_tokens=batch_tokens),
        runtime=runtime,
        spacing=spacing,
    )


def _objective(
    asked: str | None, model: assemble.Parts
) -> tuple[str, Likelihood | Energy, nn.Module]:
    """The first objective of the checkpoint that can score, or the one asked for; its head."""
    made = model.manifest
    if made.stage != "pretrain":
        raise UsageError(
            f"{model.path} was made by sslkit {made.stage} and predicts labels",
            do="score with the checkpoint that it was made from: --checkpoint pretrained",
        )
    kinds = {
        entry["name"]: kind
        for kind, entry in made.plugins.items()
        if kind.partition(" ")[0] == "objective"
    }
    if asked is not None and asked not in kinds:
        raise UsageError(
            f"{model.path} was not trained with {asked}",
            do=f"there is: {', '.join(kinds) or 'nothing'}",
        )
    for name in [asked] if asked else kinds:
        module, settings = plugins.restore(kinds[name], made, model.path)
        with rebuild.refused(str(model.path)):
            objective = module.Objective(settings, model.domain.spec, model.vocabulary.counts)
        if isinstance(objective, Likelihood | Energy):
            return name, objective, _head(objective, name if len(kinds) > 1 else "", model)
    able = [n for n, other in catalog.loadable("objective").items() if _can(other)]
    raise UsageError(
        f"{model.path} cannot score records",
        why=f"it was trained with {asked or ', '.join(kinds) or 'no known objective'}",
        do=f"pretrain with --objective {' or '.join(able)}",
    )


def _can(module: Any) -> bool:
    return any(hasattr(module.Objective, method) for method in ("log_probabilities", "energies"))


def _head(objective: Any, name: str, model: assemble.Parts) -> nn.Module:
    """The trained head; of several objectives each has its ``name`` before its tensors."""
    held: Mapping[str, Any] = model.checkpoint.tensors.get("head", {})
    first = f"{name}." if name else ""
    mine = {key.removeprefix(first): v for key, v in held.items() if key.startswith(first)}

    def build() -> nn.Module:
        head: nn.Module = objective.head(model.encoder.width)
        return head

    return rebuild.rebuild(build, mine, str(model.path))
