"""What plug-ins promise to the floors above them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sslkit.errors import OnError
from sslkit.types import (
    Array,
    Arrays,
    Batch,
    Draws,
    FieldSpec,
    Labelled,
    Record,
    Reference,
    Targets,
    TokenSpec,
)

if TYPE_CHECKING:
    import torch


class Objective(Protocol):
    """What must be predicted."""

    def head(self, width: int) -> "torch.nn.Module":
        """The parameters beyond the encoder's."""
        ...

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Hide, corrupt or pair: what the model sees and what it must answer."""
        ...

    def count(self, batch: Arrays) -> dict[str, float]:
        """Number of terms in each loss, so that it can be a mean over all processes."""
        ...

    def losses(
        self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Batch
    ) -> "dict[str, torch.Tensor]":
        """Each loss summed over its terms."""
        ...


class Pretext(Objective, Protocol):
    """An objective that needs no labels. A file in ``objectives/`` holds a class ``Objective``.

    It has one loss, under its own name, or several whose factors its property ``terms`` gives by
    name. The module gives ``VERSION``, ``NEEDS`` (names that batches must hold), ``CAUSAL``
    (whether the encoder must not see what comes later; None for either), ``UNIT`` (of the loss),
    ``FLOOR`` (what ``floor`` knows) and ``Settings``, which is ``Weighted``. ``Objective`` is made
    of the settings, the domain's ``spec`` and the counts of the vocabulary, None where there is
    none. Where they hold, the module also gives ``OVERLAP_NEEDS`` (what more batches must hold
    where tokens overlap), ``ACROSS_ROWS`` (True: its loss compares the rows of a micro-batch, so
    that how steps are cut into micro-batches decides the result) and ``FULL_BATCH`` (True: every
    step has the same batch, and ``losses`` is a pure function of it and of the weights).
    """

    def floor(self, batches: Sequence[Arrays]) -> float:
        """The mean loss on prepared batches of a guess that needs no model; NaN without terms."""
        ...


@runtime_checkable
class Likelihood(Protocol):
    """What an objective offers besides that can say how likely the tokens of a record are."""

    def log_probabilities(
        self,
        encoder: "torch.nn.Module",
        head: "torch.nn.Module",
        tokens: "torch.Tensor",
        length: "torch.Tensor",
        wanted: "torch.Tensor",
        *,
        rows: int,
        spacing: int | None = None,
    ) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
        """What the model expects at every wanted place, some places at a time.

        Args:
            tokens: ids, [B, L] int64; ``length`` [B] real ones in each row.
            wanted: [B, L] bool, never at padding. What is no token of the vocabulary is not asked.
            rows: most rows of a pass of the encoder, where there are several passes.
            spacing: hide tokens so far apart at once, which is faster and not exact; None: one at
                a time. Objectives that hide nothing do not look at it.

        Yields:
            places [T] in the flattened tokens, and log probabilities of the whole vocabulary
            there, [T, size] float32, in nats.
        """
        ...


@runtime_checkable
class Energy(Protocol):
    """What an objective offers besides that can say how plausible whole records are."""

    def energies(
        self,
        encoder: "torch.nn.Module",
        head: "torch.nn.Module",
        tokens: "torch.Tensor",
        length: "torch.Tensor",
    ) -> "torch.Tensor":
        """Energies [B] of rows of tokens [B, L]; lower is more plausible."""
        ...


@runtime_checkable
class Counted(Pretext, Protocol):
    """A pretext that can take all pairs of tokens in a corpus as one batch (see ``data.pairs``)."""

    @property
    def offsets(self) -> Sequence[tuple[int, int]]:
        """Distances in tokens at which tokens are a pair, and the weight of each."""
        ...

    def is_counted(self, encoder: "torch.nn.Module") -> bool:
        """Whether it is given counted pairs for that encoder, and not windows."""
        ...

    def counted(self, pairs: npt.NDArray[np.int64], classes: Array, part: slice) -> Arrays:
        """The batch of some of the centres of a table of pairs, [classes, classes]."""
        ...

    def begin(self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Arrays) -> None:
        """Set the first weights by the batch of all centres."""
        ...


class Domain(Protocol):
    """What a model learns from. A file in ``domains/`` holds a class ``Domain``.

    The module gives ``VERSION``, ``GIVES`` (names of what its batches can hold) and
    ``Settings``. What examples are is one of the protocols below; what a model ``TAKES`` and an
    objective ``NEEDS`` must be among what the domain ``GIVES``. Where it has them, the module also
    gives ``USUAL``: by name of an option of pretrain, the value that stands for "not given".
    """

    @property
    def spec(self) -> Any:
        """What objective and model must know of the examples."""
        ...


class FieldDomain(Domain, Protocol):
    """A domain without records: an equation, whose examples are points of a space.

    ``Domain`` is made of the settings alone. ``GIVES`` holds ``points``.
    """

    @property
    def spec(self) -> FieldSpec:
        """The space and its equation."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """The files that it reads, if any."""
        ...

    def batch(self, seed: int, part: str) -> Arrays:
        """The examples of a part, ``train`` or ``heldout``, all of them float64.

        Returns:
            ``points`` [N, coordinates], at which the equation holds; ``conditions`` [M,
            coordinates], at which ``condition_values`` [M] are given by the problem; and
            ``observations`` [K, coordinates] with ``observation_values`` [K], which somebody
            measured; K may be 0, as it is in what is held out.
        """
        ...

    def reference(self) -> Reference | None:
        """The solution that somebody else found; None where there is no file of it.

        Raises:
            DataError: a file that cannot be used.
        """
        ...


class RecordDomain(Domain, Protocol):
    """How raw files become examples.

    The module also gives ``ENDINGS``, of the names of its files, and where there are any, in
    ``SHARED``, those of files that are its own only where the domain is named.
    ``Domain(settings, vocabulary)`` is made without a vocabulary where only reading and counting
    are asked for.
    """

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The records of one file, in its order. Bad ones carry ``error`` or stop the run."""
        ...

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        ...

    def check(self, record: Record, on_error: OnError) -> Record:
        """A record that was read elsewhere; a bad one carries ``error`` or stops the run."""
        ...

    @property
    def encoding(self) -> str:
        """All settings that shape the units of a record; part of a shard's name."""
        ...

    def encode(self, record: Record) -> Array:
        """The record as a compact 1-D array of units, which is what shards keep."""
        ...

    @property
    def unit_type(self) -> "np.dtype[Any]":
        """The type of a unit, as shards keep it."""
        ...

    def signature(self, record: Record) -> bytes:
        """Equal for records that must not stand on two sides of a split."""
        ...

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """Model inputs from a padded array of units, shape [rows, units].

        ``draws`` asks for the random choices of training (a strand, say); without it nothing is
        random. What more an objective ``needs``, of what the domain ``GIVES``, asks for ``draws``.
        """
        ...


class TokenDomain(RecordDomain, Protocol):
    """A domain whose records are sequences of tokens; ``GIVES`` holds ``tokens``.

    Batches always hold ``tokens`` [rows, tokens] and ``length`` [rows], in tokens. What more can
    be asked for:

    - ``corrupted``: [rows, tokens], what an instrument would have made of the same tokens;
    - ``view``: tokens of another record that says the same as each, [rows, any], and
      ``view_length`` [rows];
    - ``boundary``: whether a sentence begins with a token, [rows, tokens];
    - ``token_weight``: how much each token counts in a loss, [rows, tokens] float32.
    """

    @property
    def spec(self) -> TokenSpec:
        """Sizes and special ids; needs a vocabulary."""
        ...

    def twin(self, units: Array) -> Array:
        """Another form that says the same (the reverse complement), or the units themselves."""
        ...

    @property
    def phases(self) -> int:
        """How many first units of a record may be left out to give other tokens, plus one."""
        ...

    def units(self, tokens: int) -> int:
        """How many units give so many tokens."""
        ...

    def length(self, units: int) -> int:
        """How many tokens so many units give; 0 where they are too few."""
        ...

    def composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Features that need no model, [examples, features]: the floor of every probe."""
        ...

    def places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Which unit stands where, one-hot, [examples, features]: the floor of aligned records.

        All examples have the same number of units.
        """
        ...


class Task(Protocol):
    """What the labels mean. A file in ``tasks/`` holds a class ``Task``, made of ``Settings``.

    The module gives ``VERSION``, ``DOMAIN`` (the domain it belongs to, "" for any), ``KIND``
    (binary, multiclass, regression), ``METRICS`` (names of ``probes.metrics``, the headline
    first) and ``Settings``.
    """

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """Labelled examples of files by part; under "" those whose part is not settled."""
        ...

    def encode_labels(self, labelled: Labelled) -> Targets:
        """Labels as numbers; refuses what does not fit the kind, naming file and row."""
        ...
