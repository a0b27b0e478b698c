"""What ``import sslkit`` gives to programs: a checkpoint, and what it says of records.

The numbers are those of the commands: equal where records stand in equal batches, and otherwise up
to rounding. Errors are those of ``sslkit.errors``.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sslkit.artifacts import plugins
from sslkit.console import Progress
from sslkit.contracts.domain import RecordDomain, counts_tokens
from sslkit.contracts.encoder import Pooling
from sslkit.contracts.objective import Energy
from sslkit.data import given
from sslkit.engine import assemble, rebuild
from sslkit.engine import runtime as runtimes
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError
from sslkit.inference import encode, features, prediction, scorers
from sslkit.supervision import choice
from sslkit.types import Array, Record

#: Records of a batch, as finetune predicts them.
_ROWS = 64


def load(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str = "fp32",
    threads: int | None = None,
) -> "Model":
    """Load a checkpoint that pretrain or finetune wrote.

    Args:
        path: of the file, or of the folder of a run.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``fp32``, ``bf16``, or ``auto``, the faster of the two here.
        threads: of torch, in this process; None for what the process may use.

    Raises:
        UsageError: there is no checkpoint, no such device, or its domain has no records.
        DataError: it is damaged, or a plug-in has another version now.
    """
    parts = assemble.from_checkpoint(Path(path))
    return Model(parts, runtimes.prepare(device, threads, precision))


class Model:
    """A checkpoint that looks at records.

    Records are texts, (id, text) pairs, ``sslkit.types.Record`` objects, a pandas frame with the
    usual columns (``sequence``, ``smiles`` or ``text``; ``id``), a series, or texts by id.
    """

    def __init__(self, parts: Parts, runtime: Runtime) -> None:
        self._parts = parts
        self._runtime = runtime
        parts.encoder.to(runtime.device).eval()

    def __repr__(self) -> str:
        return f"<sslkit.Model {self.path}: {self.domain}, {self.stage}>"

    @property
    def path(self) -> Path:
        """The checkpoint's file."""
        return self._parts.path

    @property
    def domain(self) -> str:
        """The domain of the records, as ``genome``."""
        return self._parts.domain_name

    @property
    def stage(self) -> str:
        """The command that wrote the checkpoint: ``pretrain`` or ``finetune``."""
        return self._parts.manifest.stage

    def embed(
        self, records: Iterable[Any], *, pooling: Pooling = "mean", layer: int = -1
    ) -> npt.NDArray[np.float32]:
        """One vector for each record, [records, width]; NaN for one that is shorter than a token.

        Args:
            pooling: ``mean``, ``first`` or ``max`` of the tokens.
            layer: 0: embeddings, N: block N, -1: the last.

        Raises:
            DataError: a record that cannot be used.
        """
        encoder, units = self._parts.encoder, self._units(self._records(records))
        options = {"pooling": pooling, "layer": layer, "window": None}
        plan = features.plan_of(options, self._parts.context, encoder.depth)
        domain: RecordDomain = self._parts.domain
        if not counts_tokens(domain):
            progress = Progress("embed", None, "records")
            wholes = features.embedded(encoder, domain, units, plan, self._runtime, progress)
            return wholes.astype(np.float32)
        vectors = np.full((len(units), encoder.width), np.nan, np.float32)
        embedded = encode.embed(encoder, domain, units, plan, self._runtime)
        for row, vector in enumerate(embedded):
            if vector is not None:
                vectors[row] = vector
        return vectors

    def score(
        self, records: Iterable[Any], *, objective: str | None = None, spacing: int | None = None
    ) -> Any:
        """How plausible every record is: a pandas frame, a row for each.

        Its columns are ``id``; ``length`` and ``tokens``, how many there are and how many were
        judged; ``log_likelihood``, in nats, and ``perplexity``, or ``energy``.

        Args:
            objective: of several trained together; None takes the first that can score.
            spacing: with mlm, hide every so many-th token at once; None hides one by one.

        Raises:
            UsageError: the checkpoint cannot score.
            DataError: a record that cannot be used.
        """
        _, scorer = scorers.scorer(self._parts, self._runtime, objective=objective, spacing=spacing)
        read = self._records(records)
        units = self._units(read)
        columns: dict[str, Any] = {"id": [record.id for record in read]}
        if isinstance(scorer.objective, Energy):
            lengths = [max(0, self._parts.domain.length(len(each))) for each in units]
            columns |= {"length": lengths, "tokens": lengths}
            columns["energy"] = scorer.energies(units, _nothing)
        else:
            totals = scorer.totals(units, _nothing)
            columns |= {"length": totals.length, "tokens": totals.scored}
            columns["log_likelihood"] = totals.log_likelihood
            columns["perplexity"] = totals.perplexity
        return pa.table(columns).to_pandas()

    def predict(self, records: Iterable[Any]) -> Any:
        """The label of every record, by a checkpoint that was fine-tuned: a pandas frame.

        Its columns are ``id``; ``prediction``, a class, a number, or a letter for each unit; and
        for classes of records ``probability_<class>``. Where finetune averages over samples of
        the weights (sgld), this is the last of them.

        Raises:
            UsageError: the checkpoint was not fine-tuned, or by a version that noted no classes.
            DataError: a record that cannot be used, or is shorter than a token.
        """
        parts = self._parts
        learner = prediction.trained(parts)
        learner.to(self._runtime.device)
        task, settings = plugins.restore("task", parts.manifest, parts.path)
        supervision = choice.of(task, settings)
        stated = parts.manifest.settings["predicts"]
        read = self._records(records)
        units = self._units(read, need_token=True)
        window = parts.manifest.settings["window"]
        with rebuild.refused(str(parts.path)):
            rows = supervision.unlabelled(parts.domain, units, window, stated)
        score = prediction.scorer(learner, self._runtime)
        decoded = supervision.decode(rows.outputs(score, np.arange(len(units)), _ROWS), rows)
        ids = {"id": [record.id for record in read]}
        return pa.table(ids | supervision.columns(decoded, rows, stated)).to_pandas()

    def _records(self, records: Iterable[Any]) -> list[Record]:
        return given.records(self._parts.domain, records)

    def _units(self, records: list[Record], *, need_token: bool = False) -> list[Array]:
        """What the encoder reads of each record.

        Raises:
            DataError: one that is shorter than a token, where that is of no use.
        """
        domain: RecordDomain = self._parts.domain
        units = [domain.encode(record) for record in records]
        for record, each in zip(records, units, strict=True):
            if need_token and counts_tokens(domain) and domain.length(len(each)) < 1:
                raise DataError(
                    "a record cannot be used", where=record.where, why="it is shorter than a token"
                )
        return units


def _nothing(_: int) -> None:
    """Nobody waits for progress."""
