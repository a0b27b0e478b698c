"""Batches of records with a label for each unit, cut into windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.domain import RecordDomain, TokenDomain, counts_tokens
from sslkit.contracts.supervision import Floats, RowNumbers, Scorer
from sslkit.data.items import padded
from sslkit.errors import UsageError
from sslkit.inference.per_token import speakers, step
from sslkit.inference.windows import Plan, windows
from sslkit.types import Array, Arrays


class Cut(NamedTuple):
    """Units ``first <= u < stop`` of a record are seen, ``keep <= u < keep_stop`` are asked for."""

    row: int
    first: int
    stop: int
    keep: int
    keep_stop: int


@dataclass(frozen=True)
class TaggedRows:
    """Encoded records with a class for each unit.

    Attributes:
        units: each record as its domain encodes it.
        target: class numbers of each, -1 where nothing is known, [units] int32.
        weight: of each class in the loss, [classes] float32.
        window: tokens that are seen at once.
    """

    domain: TokenDomain
    units: Sequence[Array]
    target: Sequence[npt.NDArray[np.int32]]
    weight: npt.NDArray[np.float32]
    window: int

    @property
    def places(self) -> int:
        """Units that a token speaks for."""
        return step(self.domain)

    def batch(self, cuts: Sequence[Cut]) -> Arrays:
        """Stretches of records as the model takes them, padded to the longest.

        Beside what the domain gives, what ``objectives.supervised_units`` tells of.
        """
        parts = [self.units[cut.row][cut.first : cut.stop] for cut in cuts]
        units, lengths = padded(parts)
        speaker = np.zeros(units.shape[:2], np.int64)
        target = np.full(units.shape[:2], -1, np.int64)
        for at, cut in enumerate(cuts):
            speaker[at, : lengths[at]] = speakers(self.domain, int(lengths[at]))
            asked = slice(cut.keep - cut.first, cut.keep_stop - cut.first)
            target[at, asked] = self.target[cut.row][cut.keep : cut.keep_stop]
        place = np.broadcast_to(np.arange(units.shape[1]) % self.places, target.shape)
        return self.domain.batch(units, lengths, None) | {
            "speaker": speaker,
            "place": place.copy(),
            "target": target,
            "weight": np.where(target >= 0, self.weight[target], 0).astype(np.float32),
        }

    def cuts(self, row: int) -> Iterator[Cut]:
        """The windows of a record; every unit is asked for once."""
        size = len(self.units[row])
        tokens = self.domain.length(size)
        speaker = speakers(self.domain, size)
        plan = Plan(None, 0, self.window, self.window // 8)
        for window in windows(tokens, plan):
            first = window.start * self.places
            last = window.stop == tokens
            stop = size if last else first + self.domain.units(window.stop - window.start)
            keep, keep_stop = np.searchsorted(speaker, [window.keep, window.keep_stop])
            yield Cut(row, first, stop, int(keep), int(keep_stop))

    def drawn(self, rows: RowNumbers, examples: RowNumbers, seed: int) -> Arrays:
        """The batch of ``rows``, of each a window where its number in the run decides."""
        draw = rng.Counter(seed, 0, examples).uniform("window", 1)[:, 0]
        most = self.domain.units(self.window)
        cuts = []
        for row, number in zip(rows.tolist(), draw.tolist(), strict=True):
            size = len(self.units[row])
            # A short record is read in one of the ways in which its units can fall onto tokens.
            spare = max(size - most, min(self.places - 1, size - self.domain.units(1)))
            first = int(number * (spare + 1))
            stop = min(size, first + most)
            cuts.append(Cut(row, first, stop, first, stop))
        return self.batch(cuts)

    def evaluation(self, rows: RowNumbers, size: int) -> list[Arrays]:
        """All windows of ``rows``, at most ``size`` in a batch."""
        return [self.batch(cuts) for cuts in self._together(rows, size)]

    def _together(self, rows: RowNumbers, size: int) -> Iterator[list[Cut]]:
        """Windows by length: little padding, in no useful order."""
        found = [cut for row in rows.tolist() for cut in self.cuts(row)]
        found.sort(key=lambda cut: cut.stop - cut.first)
        for at in range(0, len(found), size):
            yield found[at : at + size]

    def outputs(self, score: Scorer, rows: RowNumbers, size: int) -> Floats:
        """Scores of all units of ``rows``, [units, classes], one record after the other."""
        ends = np.cumsum([len(self.units[row]) for row in rows])
        start = dict(zip(rows.tolist(), [0, *ends[:-1].tolist()], strict=True))
        outputs = np.empty((int(ends[-1]), len(self.weight)))
        for cuts in self._together(rows, size):
            for scores, cut in zip(score(self.batch(cuts)), cuts, strict=True):
                at = start[cut.row]
                kept = scores[cut.keep - cut.first : cut.keep_stop - cut.first]
                outputs[at + cut.keep : at + cut.keep_stop] = kept
        return outputs


def tokens_of(domain: RecordDomain) -> TokenDomain:
    """A domain whose units have labels.

    Raises:
        UsageError: it does not count tokens.
    """
    if not counts_tokens(domain):
        raise UsageError(
            "labels of units are for records of tokens", why="this domain does not count any"
        )
    return domain
