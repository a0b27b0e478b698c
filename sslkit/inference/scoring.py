"""How plausible records are to a pretrained model: token by token, or as wholes.

Records of any length are read in windows, every token judged once with as much context as there
is; windows of several records are batched by length. Batches change a float32 result by rounding
only: below 1e-5.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.encoder import Encoder
from sslkit.contracts.objective import Energy, Likelihood
from sslkit.contracts.spec import token_ids
from sslkit.data.items import padded
from sslkit.engine.learner import to_device
from sslkit.engine.runtime import Runtime
from sslkit.inference.encode import batches
from sslkit.inference.scores import Scores, Totals
from sslkit.inference.windows import Plan, Window, windows
from sslkit.types import Array, Batch

#: Batches' worth of tokens that are sorted together: memory does not grow with a record.
_SORTED_BATCHES = 256

Flags: TypeAlias = npt.NDArray[np.bool_]
#: Hears how many more tokens have been judged; may raise to stop the work.
Report: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Piece:
    record: int
    window: Window
    units: Array
    tokens: int
    wanted: Flags


@dataclass(frozen=True, slots=True)
class _Answer:
    """Log probabilities [T, size] at places [T] of records [T] whose token ids are ``own`` [T]."""

    record: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    own: Tensor
    log_p: Tensor


@dataclass(frozen=True)
class Scorer:
    """A model and how it reads.

    Attributes:
        objective: says how likely tokens are, or how plausible rows.
        plan: windows and batches; nothing else of it is looked at.
        spacing: see ``contracts.objective.Likelihood``.
    """

    encoder: Encoder
    head: nn.Module
    objective: Likelihood | Energy
    domain: TokenDomain
    plan: Plan
    runtime: Runtime
    spacing: int | None = None

    def reads(self, tokens: int) -> int:
        """How many tokens the encoder reads to judge a record of so many."""
        total = 0
        for window in windows(tokens, self.plan, causal=self.encoder.causal) if tokens else ():
            kept = window.keep_stop - window.keep
            copies = 1 if self.encoder.causal else min(kept, self.spacing or kept)
            total += (window.stop - window.start) * copies
        return total

    def tokens(self, records: Sequence[Array]) -> list[npt.NDArray[np.int64]]:
        """Ids of each record, [L]."""
        found = []
        for units in records:
            arrays = self.domain.batch(*padded([units]), None)
            found.append(arrays["tokens"][0, : int(arrays["length"][0])])
        return found

    def totals(self, records: Sequence[Array], report: Report) -> Totals:
        """What the model says of whole records, in memory that does not grow with their length.

        Args:
            records: units of each, 1-D.
        """
        count = len(records)
        length = np.array([self.domain.length(len(units)) for units in records], np.int64)
        scored, total = np.zeros(count, np.int64), np.zeros(count)
        with torch.inference_mode(), self.runtime.autocast():
            for answer in self._answers(records, [None] * count):
                log_p = answer.log_p.gather(1, answer.own[:, None])[:, 0].double().cpu().numpy()
                scored += np.bincount(answer.record, np.isfinite(log_p), count).astype(np.int64)
                total += np.bincount(answer.record, log_p, count)
                report(len(answer.place))
        total[scored == 0] = np.nan
        return Totals(np.maximum(length, 0), scored, total)

    def scores(
        self,
        records: Sequence[Array],
        report: Report,
        *,
        detail: bool = False,
        effects: bool = False,
    ) -> list[Scores]:
        """What the model says of every token of the records.

        Args:
            records: units of each, 1-D.
            detail: say what the best other token is; ``effects``: look at all of them.
        """
        size = token_ids(self.domain.spec).size
        found = [
            Scores.blank(ids, size, detail=detail, effects=effects) for ids in self.tokens(records)
        ]
        with torch.inference_mode(), self.runtime.autocast():
            for answer in self._answers(records, [None] * len(records)):
                own = answer.log_p.gather(1, answer.own[:, None])
                made = {"log_p": own[:, 0]}
                if detail:
                    high, best = answer.log_p.scatter(1, answer.own[:, None], -torch.inf).max(1)
                    made |= {"odds": own[:, 0] - high, "best": best}
                if effects:
                    made["effects"] = answer.log_p - own
                held = {name: each.cpu().numpy() for name, each in made.items()}
                for record in np.unique(answer.record).tolist():
                    mine = answer.record == record
                    for name, each in held.items():
                        getattr(found[record], name)[answer.place[mine]] = each[mine]
                report(len(answer.place))
        return found

    def changes(
        self,
        record: Array,
        place: npt.NDArray[np.int64],
        token: npt.NDArray[np.int64],
        report: Report,
    ) -> npt.NDArray[np.float64]:
        """Log p of other tokens less that of the record's own, in the record's own context; [P].

        Only the places that are named are judged, each once (masked marginals of Meier et al.
        2021, eq. 1).

        Args:
            place: tokens of the record, [P], ascending; one may be named often.
            token: ids that could stand there, [P]. NaN comes of what is not in the vocabulary.
        """
        (ids,) = self.tokens([record])
        wanted = np.zeros(len(ids), bool)
        wanted[place] = True
        known = token < token_ids(self.domain.spec).size
        found = np.full(len(place), np.nan)
        with torch.inference_mode(), self.runtime.autocast():
            for answer in self._answers([record], [wanted]):
                gain = answer.log_p - answer.log_p.gather(1, answer.own[:, None])
                first, last = (np.searchsorted(place, answer.place, s) for s in ("left", "right"))
                counts = last - first
                row = np.repeat(np.arange(len(counts)), counts)
                pair = np.arange(len(row)) + np.repeat(first - np.cumsum(counts) + counts, counts)
                row, pair = row[known[pair]], pair[known[pair]]
                found[pair] = gain.cpu().numpy()[row, token[pair]]
                report(len(answer.place))
        return found

    def energies(self, records: Sequence[Array], report: Report) -> npt.NDArray[np.float64]:
        """The energy of each record, [records]; NaN where it has no token.

        That of several windows is their mean, each weighted with the tokens it keeps.
        """
        assert isinstance(self.objective, Energy)
        total, weight = np.zeros(len(records)), np.zeros(len(records))
        with torch.inference_mode(), self.runtime.autocast():
            for pieces, batch in self._batches(records, [None] * len(records)):
                given = self.objective.energies(self.encoder, self.head, batch)
                said = given.double().cpu().numpy()
                for piece, energy in zip(pieces, said, strict=True):
                    kept = piece.window.keep_stop - piece.window.keep
                    total[piece.record] += kept * energy
                    weight[piece.record] += kept
                    report(kept)
        found = np.full(len(records), np.nan)
        np.divide(total, weight, out=found, where=weight > 0)
        return found

    def _answers(
        self, records: Sequence[Array], wanted: Sequence[Flags | None]
    ) -> Iterator[_Answer]:
        assert isinstance(self.objective, Likelihood)
        for pieces, batch in self._batches(records, wanted):
            tokens = batch["tokens"]
            asked = np.zeros(tokens.shape, bool)
            for row, piece in zip(asked, pieces, strict=True):
                row[: piece.tokens] = piece.wanted
            record = np.array([piece.record for piece in pieces])
            start = np.array([piece.window.start for piece in pieces])
            columns = tokens.shape[1]
            for places, log_p in self.objective.log_probabilities(
                self.encoder,
                self.head,
                batch,
                torch.from_numpy(asked).to(tokens.device),
                rows=max(1, self.plan.batch_tokens // columns),
                spacing=self.spacing,
            ):
                row, column = np.divmod(places.cpu().numpy(), columns)
                own = tokens.flatten()[places]
                yield _Answer(record[row], start[row] + column, own, log_p)

    def _batches(
        self, records: Sequence[Array], wanted: Sequence[Flags | None]
    ) -> Iterator[tuple[list[_Piece], Batch]]:
        """Windows of similar length, and as a batch on the device."""
        numbered = enumerate(zip(records, wanted, strict=True))
        cut = (piece for number, record in numbered for piece in self._cut(number, *record))
        waiting: list[_Piece] = []
        tokens = 0
        for piece in cut:
            waiting.append(piece)
            tokens += piece.tokens
            if tokens >= _SORTED_BATCHES * self.plan.batch_tokens:
                yield from self._sorted(waiting)
                waiting, tokens = [], 0
        yield from self._sorted(waiting)

    def _sorted(self, waiting: Sequence[_Piece]) -> Iterator[tuple[list[_Piece], Batch]]:
        tokens = [piece.tokens for piece in waiting]
        # Longest first: what does not fit into memory fails at once.
        order = sorted(range(len(waiting)), key=lambda place: -tokens[place])
        for places in batches(order, tokens, self.plan.batch_tokens):
            pieces = [waiting[place] for place in places]
            arrays = self.domain.batch(*padded([piece.units for piece in pieces]), None)
            yield pieces, to_device(arrays, self.runtime)

    def _cut(self, record: int, units: Array, wanted: Flags | None) -> Iterator[_Piece]:
        """The windows of a record in which something is wanted."""
        tokens = self.domain.length(len(units))
        if tokens < 1:
            return
        first = self.domain.units(1)
        for window in windows(tokens, self.plan, causal=self.encoder.causal):
            size = window.stop - window.start
            flags = np.zeros(size, bool)
            kept = slice(window.keep, window.keep_stop)
            flags[window.keep - window.start : window.keep_stop - window.start] = (
                True if wanted is None else wanted[kept]
            )
            if flags.any():
                begin = self.domain.units(window.start + 1) - first
                part = units[begin : begin + self.domain.units(size)]
                yield _Piece(record, window, part, size, flags)
