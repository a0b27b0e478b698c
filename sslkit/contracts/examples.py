"""What is trained on, of any kind: windows of a corpus, or records as they stand."""

from collections.abc import Collection
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sslkit.types import Arrays, Draws


class Examples(Protocol):
    """Examples by number. Numbers go on from epoch to epoch: ``len`` of them are one pass."""

    def __len__(self) -> int: ...

    @property
    def mean_cost(self) -> float:
        """The cost of an example on average."""
        ...

    def cost(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """What each takes in a batch, [numbers]: tokens, or pixels, nodes, columns."""
        ...

    def origin(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The file that each comes from, [numbers], counted from 0 in the order of the input."""
        ...

    def batch(
        self, numbers: npt.NDArray[np.int64], draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """The arrays of some examples, as their domain gives them (see ``RecordDomain.batch``)."""
        ...
