"""Nodes of a network by their edges, and an encoder that sums neighbours: another package's."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from sslkit.contracts.encoder import Encoder, States
from sslkit.contracts.spec import Ids, Spec, ids
from sslkit.errors import OnError
from sslkit.types import Array, Arrays, Batch, Draws, Record, Vocabulary

VERSION = 1
GIVES = frozenset({"edges", "view"})
ENDINGS = (".edges",)


@dataclass(frozen=True)
class Settings:
    """How many nodes there may be."""

    nodes: int = 256


class Domain:
    """Lines of two numbers, an edge each; a record is a node with its neighbours."""

    encoding, unit_type = "neighbours", np.dtype(np.int64)

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        self._nodes = settings.nodes

    @property
    def spec(self) -> Spec:
        return {"edges": Ids(("neighbour",), self._nodes)}

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        edges = np.loadtxt(path, np.int64)
        both = np.concatenate([edges, edges[:, ::-1]])
        for number, node in enumerate(np.unique(both), 1):
            near = np.sort(both[both[:, 0] == node, 1])
            yield Record(str(node), near.tolist(), str(path), number)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        return Record(name, [int(cell) for cell in text.split()], source, number)

    def check(self, record: Record, on_error: OnError) -> Record:
        return record

    def encode(self, record: Record) -> Array:
        return np.array(record.payload, np.int64)

    def signature(self, record: Record) -> bytes:
        return self.encode(record).tobytes()

    def features(self, examples: Collection[Array]) -> Mapping[str, Array]:
        return {"degree": np.array([[len(near)] for near in examples], np.float32)}

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        there = np.arange(units.shape[1]) < lengths[:, None]
        arrays = {"edges": np.where(there, units, self._nodes)}
        if draws is not None and "view" in needs:
            kept = draws.uniform("edges", units.shape[1]) < 0.5
            arrays["view.edges"] = np.where(there & ~kept, units, self._nodes)
            arrays["edges"] = np.where(there & kept, units, self._nodes)
        return arrays


class Sum:
    """An encoder that sums a vector for each neighbour."""

    VERSION = 1
    TAKES = frozenset({"edges"})

    @dataclass(frozen=True)
    class Settings:
        """Its width."""

        width: int = 16

    class Model(Encoder):
        """The sum of the neighbours' vectors, through a layer."""

        def __init__(self, settings: Any, spec: Spec) -> None:
            super().__init__()
            self.width = settings.width
            self.table = nn.Embedding(ids(spec, "edges").size + 1, self.width)
            self.layer = nn.Linear(self.width, self.width)

        def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
            return [("embeddings", [self.table.weight]), ("block 1", [*self.layer.parameters()])]

        def forward(self, batch: Batch, *, layer: int | None = None) -> States:
            return States(self.layer(self.table(batch["edges"]).sum(1)), None)
