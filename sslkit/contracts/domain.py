"""What domains and tasks promise to the layers above them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt

from sslkit.contracts.spec import Spec
from sslkit.errors import OnError
from sslkit.types import (
    Array,
    Arrays,
    Draws,
    Labelled,
    Record,
    Reference,
    Tags,
    Targets,
)


class Domain(Protocol):
    """What a model learns from. A file in ``domains/`` holds a class ``Domain``.

    The module gives ``VERSION``, ``GIVES`` (names of what its batches can hold) and
    ``Settings``. What examples are is one of the protocols below; what a model ``TAKES`` and an
    objective ``NEEDS`` must be among what the domain ``GIVES``. Where it has them, the module also
    gives ``USUAL``: by name of an option of pretrain, the value that stands for "not given".
    """

    @property
    def spec(self) -> Spec:
        """What objective and model must know of the arrays in batches, by name."""
        ...


class FieldDomain(Domain, Protocol):
    """A domain without records: an equation, whose examples are points of a space.

    ``Domain`` is made of the settings alone. ``GIVES`` holds ``points``.
    """

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

    Where ``GIVES`` holds no ``tokens``, a record is an example as it stands (an image, a row of a
    table, a node with its edges), no vocabulary is counted, and encoders give it one state.

    The module also gives ``ENDINGS``, of the names of its files, and where there are any, in
    ``SHARED``, those of files that are its own only where the domain is named.
    ``Domain(settings, vocabulary)`` is made without a vocabulary where only reading and counting
    are asked for; ``PIECES`` is true where it also reads one whose tokens are pieces of words.
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

    def features(self, examples: Sequence[Array]) -> Mapping[str, npt.NDArray[np.float32]]:
        """Features that need no model, by name, [examples, features] each, all finite.

        They are the baselines of a probe. Of sequences: ``composition``, and ``places``, which unit
        stands where, one-hot, where all examples have the same number of units; see
        ``contracts.features``.
        """
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
    - ``view``: another record that says the same as each; its arrays are ``view.tokens``
      [rows, any], ``view.length`` [rows] and so on, as a batch of its own would have them;
    - ``boundary``: whether a sentence begins with a token, [rows, tokens];
    - ``token_weight``: how much each token counts in a loss, [rows, tokens] float32;
    - ``links``: which tokens are linked, [rows, tokens, any] int64: ``column * size + kind`` of
      each that a token is linked to, and -1 where there are no more of them. A batch has them
      wherever the spec does;
    - ``sites``: where tokens stand, as columns of alignments, [rows, tokens] int64, any one at
      padding. A batch has them wherever the spec does;
    - ``properties``: what can be computed of the row as a whole, [rows, properties] float64,
      about 0 and of size 1 where it is usual, NaN where it cannot be computed.
    """

    def alternative(self, units: Array) -> Array:
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


def counts_tokens(domain: Domain) -> TypeGuard[TokenDomain]:
    """Whether the records of a domain are sequences of tokens, which windows are cut from."""
    return hasattr(type(domain), "units")


def tokens_of(domain: RecordDomain, units: int) -> int:
    """How many tokens so many units give; a record of a domain without tokens counts as one."""
    return domain.length(units) if counts_tokens(domain) else int(units > 0)


@runtime_checkable
class Paired(Protocol):
    """What a domain offers besides whose records can be two that say the same, as translations."""

    def pairs(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The pairs of a file, each a record of units; bad ones carry ``error`` or stop the run."""
        ...

    def sides(self, units: Array) -> tuple[Array, Array]:
        """The units of the two records of a pair."""
        ...


@runtime_checkable
class Located(Protocol):
    """What a domain offers besides whose units may depend on the file that a record stands in."""

    def location(self, path: Path) -> str:
        """What of a file's name shapes the units of its records; part of a shard's name."""
        ...


@runtime_checkable
class Families(Protocol):
    """What a domain offers besides whose records have look-alikes.

    Records of one family stay on one side of splits that are made. Across parts that are given,
    ``signature`` alone tells what is dropped.
    """

    def family(self, record: Record) -> bytes:
        """Equal for records of one family; those of one signature are of one family anyway."""
        ...


class PerTokenTask(Protocol):
    """A task whose labels speak of each unit of a record; its ``KIND`` is ``per-token``.

    All else is as with ``Task``. ``METRICS`` are names of ``probes.confusion``; ``Settings`` are
    those of ``tasks._per_token``.
    """

    def read(self, files: Mapping[str, Sequence[Path]], on_error: OnError) -> Labelled:
        """As ``Task.read``; a label is the text of all its record's units."""
        ...

    def problem(self, label: str, units: int) -> str:
        """Why a label cannot be that of a record of so many units; "" where it can."""
        ...

    def encode_labels(self, labelled: Labelled) -> Tags:
        """Labels as numbers; refuses what gives nothing to tell apart, naming the files."""
        ...

    def written(self, names: Sequence[str]) -> str:
        """Names of classes, "" where nothing is known, as the text of a label."""
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
