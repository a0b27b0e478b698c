"""Training windows over segments: every step's batch is a function of seed and step alone."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.examples import Examples
from sslkit.data.batching import cropped
from sslkit.data.shards import Segments
from sslkit.types import Array, Arrays, Draws


class Windows:
    """Windows of ``width`` units; each epoch visits them all once, in an order of its own.

    Window starts are jittered anew in every epoch, so that every phase of the units is seen.
    Segments shorter than a window are one window, padded.
    """

    def __init__(self, segments: Segments, width: int, seed: int) -> None:
        self.segments = segments
        self.width = width
        self._seed = seed
        count = np.maximum(1, segments.length // width)
        self._end = np.cumsum(count)
        #: Windows in an epoch.
        self.total = int(self._end[-1]) if len(count) else 0
        #: Units of a window on average; below the width where there are short segments.
        self.mean = float((count * np.minimum(segments.length, width)).sum() / max(1, self.total))

    def __len__(self) -> int:
        return self.total

    def rows(self, examples: npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.int64]]:
        """The windows of examples numbered over the whole run.

        Returns:
            units, [rows, width], zero behind the end of short segments, and their lengths, [rows].
        """
        return self.gather(*self.located(examples))

    def located(
        self, examples: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Segment and first unit within it of examples numbered over the whole run."""
        number = shuffled(examples, self.total, self._seed)
        segment, start, step = self._places(number)
        draw = rng.Counter(self._seed, 0, examples).uniform("jitter", 1)[:, 0]
        jitter = np.rint((draw - 0.5) * step).astype(np.int64)
        last = np.maximum(self.segments.length[segment] - self.width, 0)
        return segment, np.clip(start + jitter, 0, last)

    def _places(
        self, number: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Segment, start without jitter, and units to the next start, of numbered windows.

        The windows of a segment are spread over all of it, so that its end is seen too.
        """
        segment = np.searchsorted(self._end, number, side="right")
        size = self.segments.length[segment]
        count = np.maximum(1, size // self.width)
        nth = number - (self._end[segment] - count)
        return segment, nth * size // count, size / count

    def gather(
        self, segment: npt.NDArray[np.int64], start: npt.NDArray[np.int64]
    ) -> tuple[Array, npt.NDArray[np.int64]]:
        """Units from ``start`` within each segment, padded with zeros to the width."""
        lengths = np.minimum(self.width, self.segments.length[segment] - start)
        out = np.zeros((len(segment), self.width), self.segments.shards[0].units.dtype)
        for row, (number, first, size) in enumerate(zip(segment, start, lengths, strict=True)):
            out[row, :size] = self.segments.units(number)[first : first + size]
        return out, lengths

    def spread(self, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Segments and starts of up to ``most`` windows without jitter, evenly spread."""
        number = np.unique(np.linspace(0, self.total - 1, min(most, self.total)).astype(np.int64))
        segment, start, _ = self._places(number)
        return segment, start

    def first(self, most: int) -> tuple[Array, npt.NDArray[np.int64]]:
        """The units of windows that are evenly spread, and their lengths."""
        return self.gather(*self.spread(most))


def shuffled(examples: npt.NDArray[np.int64], total: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers below ``total``, all of them once in every epoch, each in an order of its own."""
    epoch, place = np.divmod(examples, total)
    number = np.empty(len(examples), np.int64)
    for turn in np.unique(epoch):
        here = epoch == turn
        number[here] = rng.permute(place[here], total, rng.key(seed, "order", int(turn)))
    return number


@dataclass(frozen=True)
class WindowExamples:
    """Windows as a domain of tokens reads them; implements ``contracts.examples.Examples``.

    Attributes:
        fixed: segments and starts of the windows, where they are not drawn anew in every epoch.
    """

    windows: Windows
    domain: TokenDomain
    fixed: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.windows) if self.fixed is None else len(self.fixed[0])

    @property
    def mean_cost(self) -> float:
        """Tokens of a window on average."""
        return float(self.domain.length(math.ceil(self.windows.mean)))

    def cost(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Tokens of each, [numbers]."""
        segment, start = self._located(numbers)
        units = np.minimum(self.windows.width, self.windows.segments.length[segment] - start)
        return np.array([self.domain.length(count) for count in units.tolist()], np.int64)

    def origin(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The file of each, [numbers]."""
        return self.windows.segments.shard[self._located(numbers)[0]]

    def batch(
        self, numbers: npt.NDArray[np.int64], draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """The arrays of some windows, padded to the longest of them."""
        units, lengths = self.windows.gather(*self._located(numbers))
        return self.domain.batch(*cropped(units, lengths), draws, needs)

    def evaluation(self, most: int) -> Examples:
        """Up to ``most`` windows that are evenly spread, the same for every seed."""
        return WindowExamples(self.windows, self.domain, self.windows.spread(most))

    def _located(
        self, numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if self.fixed is None:
            return self.windows.located(numbers)
        segment, start = self.fixed
        return segment[numbers], start[numbers]
