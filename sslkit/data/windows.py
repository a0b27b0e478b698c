"""Training windows over segments: every step's batch is a function of seed and step alone."""

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.data.shards import Segments
from sslkit.types import Array


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
        epoch, place = np.divmod(examples, self.total)
        number = np.empty(len(examples), np.int64)
        for turn in np.unique(epoch):
            here = epoch == turn
            order_key = rng.key(self._seed, "order", int(turn))
            number[here] = rng.permute(place[here], self.total, order_key)
        segment, start, step = self._places(number)
        draw = rng.Counter(self._seed, 0, examples).uniform("jitter", 1)[:, 0]
        jitter = np.rint((draw - 0.5) * step).astype(np.int64)
        last = np.maximum(self.segments.length[segment] - self.width, 0)
        return self.gather(segment, np.clip(start + jitter, 0, last))

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

    def first(self, most: int) -> tuple[Array, npt.NDArray[np.int64]]:
        """Up to ``most`` windows without jitter, evenly spread: what evaluation reads."""
        number = np.unique(np.linspace(0, self.total - 1, min(most, self.total)).astype(np.int64))
        segment, start, _ = self._places(number)
        return self.gather(segment, start)
