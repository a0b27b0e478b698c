"""The adaptations of a run: chosen, joined and handed to the learner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from sslkit import catalog, rng
from sslkit.contracts.adaptation import Adaptation, Before
from sslkit.contracts.encoder import Encoder
from sslkit.engine.optimizers import Rates
from sslkit.errors import UsageError
from sslkit.types import Batch

#: The kind of plug-in; a second adaptation and so on carries its name behind the kind.
ADAPTATION = "adaptation"
_FREEZE = "freeze"

#: Name, module and settings by kind.
Plugins = Mapping[str, tuple[str, ModuleType, Any]]


def modules(adapt: str, freeze: int = 0) -> dict[str, tuple[str, ModuleType]]:
    """The modules that ``--adapt`` names, by kind; ``--freeze`` above 0 joins freeze to them.

    Raises:
        UsageError: one is unknown, or named twice.
    """
    names = [name.strip() for name in adapt.split("+")]
    if freeze and _FREEZE not in names:
        names.append(_FREEZE)
    if len({*names}) < len(names):
        raise UsageError(f"--adapt {adapt} names one adaptation twice", do="name it once")
    return {
        f"{ADAPTATION} {name}" if number else ADAPTATION: (name, catalog.load(ADAPTATION, name))
        for number, name in enumerate(names)
    }


class Adaptations:
    """Adaptations of one encoder, in the order in which they were named; see the contract.

    Attributes:
        penalises: whether something is added to the loss.
        merges: whether a plain encoder is another than the one that is trained.
    """

    def __init__(self, parts: Sequence[Adaptation] = ()) -> None:
        self._parts = tuple(parts)
        self._penalties = [p for p in parts if type(p).penalty is not Adaptation.penalty]
        self.penalises = bool(self._penalties)
        self.merges = any(type(p).merge is not Adaptation.merge for p in parts)

    @classmethod
    def of(cls, plugins: Plugins) -> "Adaptations":
        """Those among the plug-ins of a run: name, module and settings by kind."""
        chosen = [p for kind, p in plugins.items() if kind.partition(" ")[0] == ADAPTATION]
        return cls([module.Adaptation(settings) for _, module, settings in chosen])

    def wrap(self, encoder: Encoder, seed: int) -> Encoder:
        """The encoder as it is trained; the seed decides all weights that are added.

        Raises:
            UsageError: an adaptation cannot work on it.
        """
        torch.manual_seed(int(rng.key(seed, ADAPTATION) >> rng.SHIFT))
        for part in self._parts:
            encoder = part.wrap(encoder)
        return encoder

    def rates(self, encoder: Encoder) -> dict[nn.Parameter, float]:
        """The product of all factors of each parameter.

        Raises:
            UsageError: the encoder lacks what an adaptation names.
        """
        factors = dict.fromkeys(encoder.parameters(), 1.0)
        for part in self._parts:
            for parameter, factor in part.rates(encoder).items():
                factors[parameter] *= factor
        return factors

    def prepare(self, learner: nn.Module, before: Before) -> None:
        """Let each look at what there is before the first step."""
        for part in self._parts:
            part.prepare(learner, before)

    def penalty(self, learner: nn.Module, batch: Batch) -> Tensor:
        """The sum of what they add to the loss."""
        return torch.stack([part.penalty(learner, batch) for part in self._penalties]).sum()

    def merge(self, encoder: Encoder) -> Encoder:
        """The plain encoder: what was wrapped last is merged first."""
        for part in reversed(self._parts):
            encoder = part.merge(encoder)
        return encoder


#: The encoder is trained as it is.
NONE = Adaptations()


@dataclass(frozen=True)
class Adapted:
    """An encoder that is ready to be trained.

    Attributes:
        rates: factors of the learning rate of its parameters.
    """

    encoder: Encoder
    rates: Rates
    adaptations: Adaptations

    @classmethod
    def of(cls, encoder: Encoder, plugins: Plugins, seed: int) -> "Adapted":
        """An encoder with the adaptations among the plug-ins of a run; it may be changed.

        Raises:
            UsageError: an adaptation cannot work on it.
        """
        adaptations = Adaptations.of(plugins)
        encoder = adaptations.wrap(encoder, seed)
        return cls(encoder, Rates(adaptations.rates(encoder)), adaptations)


def summary_lines(encoder: Encoder, head: nn.Module) -> list[str]:
    """What is frozen and what is trained, by name with the number of parameters; two lines.

    Whether a parameter is trained says its ``requires_grad``.
    """
    groups = [*encoder.groups(), ("head", list(head.parameters()))]
    lines = []
    for word, is_trained in (("frozen", False), ("trainable", True)):
        counts = {
            name: sum(p.numel() for p in members if p.requires_grad == is_trained)
            for name, members in groups
        }
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
        lines.append(f"{word} {sum(counts.values()):,}: {listed or 'nothing'}")
    return lines
