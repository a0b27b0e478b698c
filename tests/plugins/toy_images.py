"""Small grey images with views, and an encoder of convolutions: plug-ins of another package."""

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

VERSION, SIDE = 1, 8
GIVES = frozenset({"image", "view"})
ENDINGS = (".npy",)


@dataclass(frozen=True)
class Settings:
    """How far a view is shifted."""

    shift: int = 3


class Domain:
    """Files of images [N, 8, 8] of octets; a cell of a table holds one as hexadecimal digits."""

    encoding, unit_type = "octets", np.dtype(np.uint8)

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        self._shift = settings.shift

    @property
    def spec(self) -> Spec:
        return {"image": Floats(("channel", "row", "column"), (1, SIDE, SIDE))}

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        for number, image in enumerate(np.load(path, allow_pickle=False), 1):
            yield Record(f"{path.stem}{number}", image.tobytes(), str(path), number)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        return self.check(Record(name, bytes.fromhex(text), source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        if len(record.payload) == SIDE * SIDE:
            return record
        if on_error == "stop":
            raise DataError("not an image", where=record.where)
        return replace(record, payload=b"", error="it is not of 64 octets")

    def encode(self, record: Record) -> Array:
        return np.frombuffer(record.payload, np.uint8)

    def signature(self, record: Record) -> bytes:
        return bytes(record.payload)

    def features(self, examples: Collection[Array]) -> Mapping[str, Array]:
        return {"pixels": np.stack(list(examples)).astype(np.float32) / 255}

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        image = units.reshape(-1, 1, SIDE, SIDE).astype(np.float32) / 255
        arrays = {"image": image}
        if draws is not None and "view" in needs:
            by = np.rint((draws.uniform("shift", 2) - 0.5) * 2 * self._shift).astype(int)
            pairs = zip(image, by, strict=True)
            arrays["view.image"] = np.stack([np.roll(one, move, (1, 2)) for one, move in pairs])
        return arrays


class Conv:
    """An encoder of two convolutions, with one state for each image."""

    VERSION = 1
    TAKES = frozenset({"image"})

    @dataclass(frozen=True)
    class Settings:
        """Its width."""

        width: int = 16

    class Model(Encoder):
        """Convolutions, then a mean over all places."""

        depth = 1

        def __init__(self, settings: Any, spec: Spec) -> None:
            super().__init__()
            channels = floats(spec, "image").shape[0]
            self.width = settings.width
            self.layers = nn.Sequential(
                nn.Conv2d(channels, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, self.width, 3, 2)
            )

        def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
            return [("block 1", list(self.layers.parameters()))]

        def forward(self, batch: Batch, *, layer: int | None = None) -> States:
            return States(self.layers(batch["image"]).mean((2, 3)), None)


class Pixels:
    """Objective: rebuild an image of which a quarter of the pixels is hidden."""

    VERSION = 1
    NEEDS = frozenset({"image"})
    CAUSAL, UNIT, BASELINE = None, "squared error per hidden pixel", "the mean pixel"

    @dataclass(frozen=True)
    class Settings:
        """Its factor."""

        weight: float = 1.0

    class Objective:
        """Squared error of hidden pixels."""

        def __init__(self, settings: Any, spec: Spec, counts: Array | None = None) -> None:
            self._size = int(np.prod(floats(spec, "image").shape))

        def head(self, width: int) -> nn.Module:
            return nn.Linear(width, self._size)

        def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
            hidden = draws.uniform("hidden", self._size).reshape(batch["image"].shape) < 0.25
            return {"image": np.where(hidden, 0, batch["image"]), "whole": batch["image"],
                    "hidden": hidden}  # fmt: skip

        def count(self, batch: Arrays) -> dict[str, float]:
            return {"toy-pixels": float(batch["hidden"].sum())}

        def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
            rebuilt = head(encoder(batch).values).reshape(batch["whole"].shape)
            error = torch.where(batch["hidden"], rebuilt - batch["whole"], 0.0)
            return {"toy-pixels": error.square().sum()}

        def baseline(self, batches: list[Arrays]) -> float:
            pixels = np.concatenate([batch["whole"][batch["hidden"]] for batch in batches])
            return float(pixels.var())
