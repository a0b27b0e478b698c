"""Features of examples that need no model, by name, each computed when it is taken."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.types import Array

Floats: TypeAlias = npt.NDArray[np.float32]
Extractor: TypeAlias = Callable[[Sequence[Array]], Floats]


class Features(Mapping[str, Floats]):
    """Features of some examples, [examples, features] each.

    What is not looked at costs nothing: descriptors of a molecule may take seconds.
    """

    def __init__(self, examples: Sequence[Array], extractors: Mapping[str, Extractor]) -> None:
        self._examples = examples
        self._extractors = extractors

    def __getitem__(self, name: str) -> Floats:
        return self._extractors[name](self._examples)

    def __iter__(self) -> Iterator[str]:
        return iter(self._extractors)

    def __len__(self) -> int:
        return len(self._extractors)


def of_sequences(
    examples: Sequence[Array], composition: Extractor, places: Extractor, **more: Extractor
) -> Features:
    """Features of sequences of units, in the order of reports.

    Args:
        composition: what a sequence is made of, whatever the order.
        places: which unit stands where, one-hot, unit after unit; only taken where all examples
            have the same number of units.
        more: what else the domain knows.
    """
    are_aligned = len({len(units) for units in examples}) == 1
    aligned: dict[str, Extractor] = {"places": places} if are_aligned else {}
    return Features(examples, {"composition": composition, **aligned, **more})
