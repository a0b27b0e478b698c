"""The objectives of a pretraining run: named as ``a+b``, added up, told one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sslkit import catalog
from sslkit.contracts.objective import Objective, PretrainingObjective
from sslkit.contracts.spec import Ids, Spec
from sslkit.engine.mixture import Mixture
from sslkit.errors import DataError, UsageError
from sslkit.types import Array, Arrays

_PER_TOKEN = "nats per token"
#: Losses below it are shown by their power of ten.
_SMALL = 0.01


def modules(names: str) -> dict[str, ModuleType]:
    """The modules of ``a+b`` by name.

    Raises:
        UsageError: an unknown or a repeated one.
    """
    wanted = [name.strip() for name in names.split("+")]
    found = {name: catalog.load("objective", name) for name in wanted}
    if len(found) < len(wanted):
        raise UsageError(f"an objective is named twice in --objective {names}")
    return found


def causal(found: Mapping[str, ModuleType]) -> bool | None:
    """Whether a token's state must not know what comes later; None where either will do.

    Raises:
        UsageError: objectives want both.
    """
    asked = {module.CAUSAL: name for name, module in found.items() if module.CAUSAL is not None}
    if len(asked) > 1:
        raise UsageError(
            f"objectives {asked[True]} and {asked[False]} do not fit together",
            why=f"{asked[True]} must not see later tokens, {asked[False]} must",
            do="train one after the other, or choose one of them",
        )
    return next(iter(asked), None)


def needs(module: ModuleType, spec: Spec) -> frozenset[str]:
    """What an objective needs of batches of such examples."""
    found: frozenset[str] = module.NEEDS
    tokens = spec.get("tokens")
    overlap = isinstance(tokens, Ids) and tokens.overlap
    return found | getattr(module, "OVERLAP_NEEDS", found) if overlap else found


@dataclass(frozen=True)
class Objectives:
    """The chosen objectives and how they are judged.

    Attributes:
        modules, objectives: by name.
        weights: their factors.
        needs: what batches must hold.
    """

    modules: Mapping[str, ModuleType]
    objectives: Mapping[str, PretrainingObjective]
    weights: Mapping[str, float]
    needs: frozenset[str]

    @classmethod
    def of(
        cls,
        found: Mapping[str, ModuleType],
        settings: Mapping[str, Any],
        spec: Spec,
        counts: Array | None,
    ) -> "Objectives":
        """Objectives of modules and settings, both by name."""
        made = {name: m.Objective(settings[name], spec, counts) for name, m in found.items()}
        asked = frozenset[str]().union(*(needs(module, spec) for module in found.values()))
        return cls(found, made, {name: settings[name].weight for name in found}, asked)

    @property
    def objective(self) -> Objective:
        """The only objective, or all of them as one."""
        if len(self.objectives) == 1:
            return next(iter(self.objectives.values()))
        return Mixture(self.objectives)

    @property
    def factors(self) -> dict[str, float]:
        """Those of all losses, by name of the loss."""
        return {
            loss: self.weights[name] * factor
            for name, one in self.objectives.items()
            for loss, factor in getattr(one, "terms", {name: 1.0}).items()
        }

    @property
    def across_rows(self) -> list[str]:
        """Those whose loss compares the rows of a micro-batch, by name."""
        return [n for n, module in self.modules.items() if getattr(module, "ACROSS_ROWS", False)]

    @property
    def full_batch(self) -> bool:
        """Whether nothing is drawn: every step asks the same."""
        return all(getattr(module, "FULL_BATCH", False) for module in self.modules.values())

    def baselines(self, batches: Sequence[Arrays]) -> dict[str, float]:
        """The losses of guesses that need no model, as ``evaluation.mean_losses`` names losses.

        Raises:
            DataError: nothing is asked of an objective in ``batches``.
        """
        objective = self.objective
        if isinstance(objective, Mixture):
            found = objective.baselines(batches)
        else:
            found = {name: one.baseline(batches) for name, one in self.objectives.items()}
        for name, baseline in found.items():
            if math.isnan(baseline):
                raise DataError(
                    f"the held-out part of the corpus holds nothing that {name} could be asked",
                    do="make the vocabulary from the same corpus, or hold out more with --heldout",
                )
        total = sum(self.weights[name] * baseline for name, baseline in found.items())
        each = {f"floor_loss_{name}": baseline for name, baseline in found.items()}
        return {"floor_loss": total} | (each if len(each) > 1 else {})

    def judged(
        self, losses: Mapping[str, float], baselines: Mapping[str, float]
    ) -> dict[str, float]:
        """All metrics of an evaluation; the perplexity too where that is what the loss is."""
        found = dict(losses)
        if [module.UNIT for module in self.modules.values()] == [_PER_TOKEN]:
            found["heldout_perplexity"] = math.exp(min(losses["heldout_loss"], 700.0))
        return {**found, **baselines}

    def told(self, metrics: Mapping[str, float]) -> tuple[list[str], list[str]]:
        """What a person reads of the final metrics: lines, and warnings."""
        lines, warnings = [], []
        for name, module in self.modules.items():
            tail = f"_{name}" if len(self.modules) > 1 else ""
            loss, baseline = metrics[f"heldout_loss{tail}"], metrics[f"floor_loss{tail}"]
            what = f"held-out {name}" if tail else "held-out"
            if module.UNIT == _PER_TOKEN:
                lines.append(
                    f"{what} perplexity {math.exp(min(loss, 700.0)):.1f} ({loss:.3f} "
                    f"{module.UNIT}), {module.BASELINE} {math.exp(min(baseline, 700.0)):.1f} "
                    f"({baseline:.3f}): {baseline - loss:+.3f} nats learned beyond "
                    + ("counts" if module.BASELINE == "unigram" else module.BASELINE)
                )
            else:
                lines.append(
                    f"{what} loss {_shown(loss)} {module.UNIT}, {module.BASELINE} "
                    f"{_shown(baseline)}: {baseline - loss:+.3f} learned beyond it"
                )
            if loss >= baseline:
                warnings.append(
                    f"{name} is no better than {module.BASELINE}: train longer, or check the data"
                )
        return lines, warnings


def _shown(loss: float) -> str:
    """With three figures, however small."""
    return f"{loss:.3f}" if abs(loss) >= _SMALL else f"{loss:.2e}"
