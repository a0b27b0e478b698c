"""Labels of pairs of residues: which touch, in families with an alignment and a structure each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.encoder import Attentive
from sslkit.contracts.supervision import RowNumbers
from sslkit.engine.learner import to_device
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, UsageError
from sslkit.files import alignment, structure
from sslkit.probes import coevolution, contacts, potts
from sslkit.probes.coevolution import States
from sslkit.probes.contacts import LONG_RANGE, Floats, Truth
from sslkit.probes.intervals import finite
from sslkit.tasks.contacts import Entry, Settings

#: Sequences with a larger share of gaps tell little of their family.
MOST_GAPS = 0.5
_NO_RESIDUE = b"-*"


@dataclass(frozen=True)
class Row:
    """A sequence of an alignment, without its gaps where these are nothing to the domain.

    Attributes:
        source: the file of the alignment.
        where: the sequence, as errors name it.
        places: for each letter, the residue of the reference in the same column, or -1.
    """

    letters: str
    source: str
    where: str
    places: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """A family whose pairs of residues are judged by a structure.

    Attributes:
        rows: that are shown to a model; the first one is the reference, the sequence of the
            alignment that the structure fits best. L residues.
        states: of the sequences in the columns of the reference, [N, L].
    """

    entry: Entry
    chain: str
    rows: tuple[Row, ...]
    states: States
    truth: Truth

    @property
    def length(self) -> int:
        """Residues of the reference."""
        return int((self.rows[0].places >= 0).sum())


@dataclass(frozen=True)
class PairPredictions:
    """Scores of the pairs of families; see ``contracts.supervision.Predictions``.

    Attributes:
        scores: [L, L] of each family, higher for what is more likely in contact.
    """

    families: Sequence[Family]
    rows: RowNumbers
    scores: Mapping[str, Floats]

    @property
    def judged(self) -> list[Family]:
        """The families."""
        return [self.families[row] for row in self.rows]

    @property
    def headline(self) -> str:
        """Precision of the fewest pairs."""
        return contacts.names()[-1]

    @property
    def is_constant(self) -> bool:
        """Whether all pairs of all families get the same score."""
        return len({float(v) for scores in self.scores.values() for v in np.unique(scores)}) == 1

    def of(self, rows: RowNumbers) -> "PairPredictions":
        """The same for some of the families."""
        return replace(self, rows=rows)

    def sizes(self) -> dict[str, int]:
        """How many families there are."""
        return {"test_families": len(self.rows)}

    def precisions(self) -> dict[str, dict[str, float]]:
        """The share of contacts among the best pairs, by family and metric."""
        return {
            family.entry.name: contacts.precisions(self.scores[family.entry.name], family.truth)
            for family in self.judged
        }

    def column(self, name: str) -> list[float]:
        """One metric of each family."""
        return [values[name] for values in self.precisions().values()]

    def metrics(self, seed: int) -> dict[str, dict[str, float | None]]:
        """Means over families with their 95% intervals."""
        return {
            name: finite(contacts.over_families(self.column(name), seed))
            for name in contacts.names()
        }

    def details(self) -> dict[str, Any]:
        """The metrics of each family."""
        return {
            "families": {
                name: {metric: _number(value) for metric, value in values.items()}
                for name, values in self.precisions().items()
            }
        }

    def difference(self, baseline: "PairPredictions", seed: int) -> dict[str, float | None]:
        """This method's precision of the best pairs minus that of another, over families."""
        name = self.headline
        both = zip(self.column(name), baseline.column(name), strict=True)
        return finite(contacts.over_families([a - b for a, b in both], seed, signed=True))


def family(entry: Entry, settings: Settings, seed: int, *, aligned: bool = False) -> Family:
    """Read one; which sequences are drawn follows from seed and name.

    Args:
        aligned: rows keep their gaps, for a domain that knows columns.

    Raises:
        DataError: see ``files.alignment`` and ``files.structure``; a chain of another protein.
    """
    held = alignment.read(entry.alignment)
    chain = structure.read(entry.structure, entry.chain)
    texts = [row.tobytes().translate(None, _NO_RESIDUE).decode("ascii") for row in held.letters]
    at = structure.nearest(chain, texts)
    full = ~np.isin(held.letters, list(_NO_RESIDUE))
    place = np.where(full[at], np.cumsum(full[at]) - 1, -1)

    def row(number: int) -> Row:
        source = str(entry.alignment)
        where = f"{source}, sequence {number + 1} ({held.names[number]})"
        if aligned:
            return Row(held.letters[number].tobytes().decode("ascii"), source, where, place)
        return Row(texts[number], source, where, place[full[number]])

    reference = row(at)
    truth = Truth.of(structure.onto(chain, texts[at], reference.where))
    states = coevolution.states(held.letters[:, full[at]])
    usable = (states == coevolution.GAP).mean(1) <= MOST_GAPS
    usable[at] = False
    generator = np.random.default_rng(int(rng.key(seed, "sequences", entry.name)))
    others = generator.permutation(np.flatnonzero(usable)).tolist()
    rows = (reference, *(row(number) for number in others[: settings.rows - 1]))
    drawn = np.sort([at, *others[: settings.depth - 1]])
    return Family(entry, chain.where, rows, states[drawn], truth)


def describe(held: Family) -> dict[str, Any]:
    """A family as reports list it."""
    first, second = held.truth.pairs(LONG_RANGE)
    return {
        "name": held.entry.name,
        "chain": held.chain,
        "sequence": held.rows[0].where,
        "residues": held.length,
        "sequences": len(held.states),
        "effective_sequences": round(float(coevolution.weights(held.states).sum()), 1),
        "long_range_pairs": len(first),
        "long_range_contacts": int(held.truth.contact[first, second].sum()),
    }


def baselines(held: Family, settings: Settings) -> Iterator[tuple[str, Floats]]:
    """Scores of pairs, [L, L], by methods that see the alignment and learn from nothing else."""
    yield "chance", np.zeros((held.length, held.length))
    weight = coevolution.weights(held.states)
    information = coevolution.mutual_information(held.states, weight)
    yield "mutual information", information
    yield "mutual information, corrected", contacts.corrected(information)
    if settings.potts:
        model = potts.fit(held.states, weight)
        yield "Potts model", contacts.corrected(model.strengths())


def of_encoder(
    encoder: Attentive, domain: TokenDomain, held: Family, window: int, runtime: Runtime
) -> Floats:
    """Corrected maps of all layers and heads, [layers x heads, L, L], the mean over ``rows``.

    Args:
        window: most tokens that the encoder knows.

    Raises:
        UsageError: a token is no single residue, or the encoder has seen shorter records only.
        DataError: the domain refuses a sequence.
    """
    total: Floats = np.zeros(())
    count = np.zeros((held.length, held.length))
    for row in held.rows:
        looks = contacts.prepared(_looks(encoder, domain, row, window, runtime))
        inside = row.places >= 0
        at = np.ix_(row.places[inside], row.places[inside])
        if not total.ndim:
            total = np.zeros((len(looks), *count.shape))
        total[:, at[0], at[1]] += looks[:, inside][:, :, inside]
        count[at] += 1
    return total / np.maximum(count, 1)


def _looks(
    encoder: Attentive, domain: TokenDomain, row: Row, window: int, runtime: Runtime
) -> npt.NDArray[np.float32]:
    record = domain.record(row.where, row.letters, row.source, 1)
    if record.error:
        raise DataError("a sequence cannot be used", where=row.where, why=record.error)
    units = domain.encode(record)
    batch = domain.batch(units[None], np.array([len(units)]), None)
    length = int(batch["length"][0])
    if length != len(row.letters) or domain.units(1) != 1:
        raise UsageError(
            "contacts are of residues, and this vocabulary has other tokens",
            why=f"{len(row.letters)} residues are {length} tokens",
            do="pretrain with one residue per token: build-vocab --domain protein --set k=1",
        )
    if len(row.letters) > window:
        kind = "columns" if "sites" in domain.spec else "residues"
        raise UsageError(
            f"a sequence has {len(row.letters)} {kind}, and the encoder was trained on {window}",
            why=f"{row.where} does not fit into a window",
            do=f"pretrain with --window {len(row.letters)} or more",
        )
    found = encoder.attentions(to_device(batch, runtime))[0]
    return np.asarray(found.flatten(0, 1).float().cpu().numpy())


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
