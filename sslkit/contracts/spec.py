"""What a domain gives, by name: the arrays of its batches and what their numbers mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Ids:
    """Whole numbers 0 .. size - 1: tokens, sites, kinds of links. Special ids of tokens follow.

    Attributes:
        axes: names of the dimensions behind the row of the batch; ``length`` is the record's own.
        size: how many there are; of tokens, those of the vocabulary.
        overlap: how many tokens to each side share content with a token. 0 where tokens do
            not overlap; ``ceil(k / stride) - 1`` for k-mers.
        parts: what each is made of, numbers from 0, [size, parts of each]; None where they are
            taken as wholes. Tokens that share parts begin with something in common.
        alternatives: for each token the one that says the same when a record is read in its other
            form, as a k-mer's reverse complement does, ``unknown`` where the vocabulary does not
            hold it; [size]. None where records are read in one form only.
    """

    axes: tuple[str, ...]
    size: int
    overlap: int = 0
    parts: npt.NDArray[np.int64] | None = field(default=None, compare=False)
    alternatives: npt.NDArray[np.int64] | None = field(default=None, compare=False)

    @property
    def pad(self) -> int:
        """Id that fills a row behind its last token."""
        return self.size

    @property
    def unknown(self) -> int:
        """Id of what the vocabulary does not hold."""
        return self.size + 1

    @property
    def mask(self) -> int:
        """Id that stands where a token is hidden."""
        return self.size + 2

    @property
    def separator(self) -> int:
        """Id of the mark between two stretches of text that stand in one row."""
        return self.size + 3

    @property
    def total(self) -> int:
        """Rows of an embedding table: the vocabulary and the special ids."""
        return self.size + 4


@dataclass(frozen=True)
class Floats:
    """Real numbers: pixels, frames, weights, properties.

    Attributes:
        axes: names of the dimensions behind the row of the batch.
        shape: their sizes, where every record has the same; empty where they differ.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...] = ()


#: The derivative of values [N] with respect to a coordinate of their points, by its name; [N].
Derivative: TypeAlias = "Callable[[torch.Tensor, str], torch.Tensor]"


@dataclass(frozen=True, kw_only=True)
class Points(Floats):
    """Points of a space on which an equation holds.

    Attributes:
        coordinates: their names; time, where there is one, comes last.
        low, high: the ends of each.
        periodic: whether its two ends are one place; a model has to give the same there.
        residual: what the equation leaves over, [N], of the values [N] of a field and of its
            derivatives; 0 where the field solves it.
        growth: the rate at which an error may grow in time; 0 where it dies out.
    """

    coordinates: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    periodic: tuple[bool, ...]
    residual: "Callable[[torch.Tensor, Derivative], torch.Tensor]" = field(compare=False)
    growth: float = 0.0


#: By the names of the arrays. What a domain may give besides: ``view``, the arrays of another
#: record that says the same, each as ``view.NAME``.
Spec: TypeAlias = Mapping[str, Ids | Floats]

_Entry = TypeVar("_Entry", Ids, Floats, Points)


def _entry(spec: Spec, name: str, kind: type[_Entry]) -> _Entry:
    entry = spec.get(name)
    if not isinstance(entry, kind):
        raise TypeError(f"the domain gives no {kind.__name__} named {name!r}: {', '.join(spec)}")
    return entry


def token_ids(spec: Spec) -> Ids:
    """The tokens of a domain that counts in them; TypeError where it does not."""
    return _entry(spec, "tokens", Ids)


def ids(spec: Spec, name: str) -> Ids:
    """The whole numbers of that name; TypeError where there are none."""
    return _entry(spec, name, Ids)


def floats(spec: Spec, name: str) -> Floats:
    """The real numbers of that name; TypeError where there are none."""
    return _entry(spec, name, Floats)


def space(spec: Spec) -> Points:
    """The points of a domain that is an equation; TypeError where it is none."""
    return _entry(spec, "points", Points)
