"""Rows of numbers whose columns have roles, an objective and an encoder: another package's."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import Encoder, States
from sslkit.contracts.spec import Floats, Spec, floats
from sslkit.errors import DataError, OnError
from sslkit.types import Array, Arrays, Batch, Draws, Record, Vocabulary

VERSION = 1
GIVES = frozenset({"values"})
ENDINGS = (".rows",)


@dataclass(frozen=True)
class Settings:
    """The roles of the columns."""

    roles: str = "number,number,number,ignored"


class Domain:
    """Lines of numbers with blanks between; a column that is ignored is not read."""

    unit_type = np.dtype(np.float64)

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        self.encoding = settings.roles
        self._roles = settings.roles.split(",")
        self._used = [n for n, role in enumerate(self._roles) if role == "number"]

    @property
    def spec(self) -> Spec:
        return {"values": Floats(("column",), (len(self._used),))}

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            yield self.check(Record(f"r{number}", line, str(path), number), on_error)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        return self.check(Record(name, text, source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        cells = str(record.payload).split()
        if len(cells) == len(self._roles) and all(_is_number(cells[n]) for n in self._used):
            return record
        if on_error == "stop":
            raise DataError("not a row", where=record.where)
        return replace(record, payload="", error="it has other columns")

    def encode(self, record: Record) -> Array:
        cells = record.payload.split()
        return np.array([float(cells[n]) for n in self._used])

    def signature(self, record: Record) -> bytes:
        return self.encode(record).tobytes()

    def features(self, examples: Collection[Array]) -> Mapping[str, Array]:
        return {"columns": np.stack(list(examples)).astype(np.float32)}

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        return {"values": units.astype(np.float32)}


class Perceptron:
    """An encoder of two layers."""

    VERSION = 1
    TAKES = frozenset({"values"})

    @dataclass(frozen=True)
    class Settings:
        """Its width."""

        width: int = 12

    class Model(Encoder):
        """Two layers over the columns."""

        def __init__(self, settings: Any, spec: Spec) -> None:
            super().__init__()
            self.width = settings.width
            columns = floats(spec, "values").shape[0]
            self.layers = nn.Sequential(
                nn.Linear(columns, self.width), nn.GELU(), nn.Linear(self.width, self.width)
            )

        def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
            return [("block 1", list(self.layers.parameters()))]

        def forward(self, batch: Batch, *, layer: int | None = None) -> States:
            return States(self.layers(batch["values"]), None)


class Column:
    """Objective: a hidden column from the others."""

    VERSION = 1
    NEEDS = frozenset({"values"})
    CAUSAL, UNIT, BASELINE = None, "squared error", "the mean of the column"

    @dataclass(frozen=True)
    class Settings:
        """Its factor."""

        weight: float = 1.0

    class Objective:
        """Squared error of the hidden column."""

        def __init__(self, settings: Any, spec: Spec, counts: Array | None = None) -> None:
            self._columns = floats(spec, "values").shape[0]

        def head(self, width: int) -> nn.Module:
            return nn.Linear(width, self._columns)

        def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
            place = (draws.uniform("column", 1)[:, 0] * self._columns).astype(np.int64)
            hidden = np.arange(self._columns) == place[:, None]
            return {"values": np.where(hidden, 0, batch["values"]).astype(np.float32),
                    "whole": batch["values"], "hidden": hidden}  # fmt: skip

        def count(self, batch: Arrays) -> dict[str, float]:
            return {"toy-column": float(len(batch["whole"]))}

        def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
            error = head(encoder(batch).values) - batch["whole"]
            return {"toy-column": torch.where(batch["hidden"], error, 0.0).square().sum()}

        def baseline(self, batches: list[Arrays]) -> float:
            whole = np.concatenate([batch["whole"] for batch in batches])
            hidden = np.concatenate([batch["hidden"] for batch in batches])
            return float(((whole - whole.mean(0)) ** 2)[hidden].mean())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
