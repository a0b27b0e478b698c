"""A table of vectors, one for each token whatever stands around it.

What skip-gram trains (Mikolov et al. 2013). A token and its reverse complement share one vector
where that is asked for: they are one row of the table, so nothing can part them.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import RowTable, States, TokenEncoder, real
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.errors import UsageError
from sslkit.types import Batch

VERSION = 1
TAKES = frozenset({"tokens"})


@dataclass(frozen=True)
class Settings:
    """Shape of the table."""

    width: int = field(default=100, metadata={"help": "numbers per token"})
    tie_reverse_complement: bool = field(
        default=False, metadata={"help": "a k-mer and its reverse complement share one vector"}
    )

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is at least 1, not {self.width}")


class Model(TokenEncoder):
    """The table as an encoder without layers.

    Its rows are those of the vocabulary's tokens, fewer where tokens share one, and then those of
    the special tokens, which begin at 0. The separator stands before a record.

    Raises:
        UsageError: reverse complements are to be tied, and the tokens have none.
    """

    causal = True

    def __init__(self, settings: Settings, spec: Spec) -> None:
        super().__init__()
        self.settings = settings
        self._tokens = tokens = token_ids(spec)
        self.width = settings.width
        shared = _classes(tokens, tied=settings.tie_reverse_complement)
        classes = int(shared.max(initial=-1)) + 1
        special = np.arange(classes, classes + tokens.total - tokens.size)
        self.row: Tensor
        self.register_buffer(
            "row", torch.from_numpy(np.concatenate([shared, special])), persistent=False
        )
        self.table = RowTable(classes + len(special), settings.width)
        # As word2vec begins.
        nn.init.uniform_(self.table.weight[:classes], -0.5 / self.width, 0.5 / self.width)

    @property
    def classes(self) -> Tensor | None:
        """For each token the row of its vector, [size]."""
        return self.row[: self._tokens.size]

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """All parameters, under one name."""
        return [("embeddings", [self.table.weight])]

    def vectors(self, tokens: Tensor) -> Tensor:
        """The vectors of tokens, [...] to [..., width]."""
        found: Tensor = self.table(self.row[tokens])
        return found

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        """The vector of each token; no token looks at another, and there is one layer."""
        del layer
        return States(self.vectors(batch["tokens"]), real(batch))

    def with_start(self, batch: Batch, layer: int | None = None) -> Tensor:
        """The vectors of the separator, which begins every row, and of each token."""
        del layer
        return self.vectors(functional.pad(batch["tokens"], (1, 0), value=self._tokens.separator))


def _classes(tokens: Ids, *, tied: bool) -> npt.NDArray[np.int64]:
    """For each token the number of its vector, [size]."""
    own = np.arange(tokens.size)
    if not tied:
        return own
    if tokens.alternatives is None:
        raise UsageError(
            "tie_reverse_complement: records are read in one form only here",
            do="leave it out, or use --domain genome with both_strands=true",
        )
    known = tokens.alternatives < tokens.size
    first = np.minimum(own, np.where(known, tokens.alternatives, own))
    found: npt.NDArray[np.int64] = np.unique(first, return_inverse=True)[1]
    return found
