"""Train, valid and test parts, and folds: stratified, and never with a duplicate on two sides.

Everything here is numbers: ``strata`` says which class (or quantile of a target) a record
belongs to and ``groups`` which records must stay together, both [records] int64.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.errors import DataError, UsageError

IntArray = npt.NDArray[np.int64]

#: The parts of a split; ``Split.part`` holds positions in here.
PARTS = ("train", "valid", "test")
_TRAIN = 0
#: Of the records that a model does not know, at most this share is held out.
_MOST_HELD_OUT = 0.99
_DROPPED = -1


@dataclass(frozen=True)
class Split:
    """Which part every record is in.

    Attributes:
        part: position in ``PARTS``, or -1 for a record that was dropped, [records] int64.
        made: the parts that were made here, not given.
        dropped: records of a given part that were dropped because an equal one stands in a
            later part, by part.
        together: records that have at least one duplicate among all records.
    """

    part: IntArray
    made: tuple[str, ...]
    dropped: Mapping[str, int]
    together: int

    def rows(self, name: str) -> IntArray:
        """Positions of the records of one part, ascending."""
        return np.flatnonzero(self.part == PARTS.index(name)).astype(np.int64)


def group_numbers(signatures: Sequence[Hashable]) -> IntArray:
    """Equal numbers for equal signatures, counted from 0 by first appearance, [records]."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(s, len(seen)) for s in signatures], np.int64)


def family_numbers(families: Sequence[Hashable], groups: IntArray) -> IntArray:
    """Numbers of families, [records]; a group is of the family of its first record."""
    first = np.unique(groups, return_index=True)[1]
    return group_numbers([families[first[group]] for group in groups])


def quantile_strata(values: npt.NDArray[np.float64], bins: int = 10) -> IntArray:
    """Strata of a target that is a number: ``bins`` equally filled bins by rank, [records]."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * min(bins, max(len(values), 1)) // max(len(values), 1)


def split(
    strata: IntArray,
    groups: IntArray,
    shares: Mapping[str, float],
    seed: int,
    given: Sequence[str] | None = None,
    families: IntArray | None = None,
    learned: npt.NDArray[np.bool_] | None = None,
) -> Split:
    """Respect the parts that are given and make those that are missing out of train.

    Duplicates across given parts are dropped from train, and from valid where the test part
    holds an equal record. Nothing is ever dropped from test but records that a model knows
    already; parts that are made have none of them, nor what must stay with them.

    Args:
        shares: ``{"valid": 0.1, "test": 0.2}``: the parts wanted, each with its share of the
            records that are divided. A part that is given already keeps its records.
        given: a name of ``PARTS`` for every record.
        families: wider groups that stay together in the parts that are made; a group has one.
        learned: whether a model was trained on the label of each record, [records].

    Raises:
        DataError: no record is left to train on.
    """
    part = np.zeros(len(groups), np.int64)
    if given is not None:
        part = np.array([PARTS.index(name) for name in given], np.int64)
    present = {PARTS[p] for p in np.unique(part)}
    before = part.copy()
    if learned is not None:
        part[learned & (part == PARTS.index("test"))] = _DROPPED
    part[_leaks(part, groups)] = _DROPPED
    gone = part == _DROPPED
    dropped = {PARTS[p]: int((gone & (before == p)).sum()) for p in np.unique(before[gone])}
    made = tuple(name for name in PARTS[1:] if shares.get(name) and name not in present)
    pool = np.flatnonzero(part == _TRAIN)
    if not len(pool):
        raise DataError(
            "there is no record to train on",
            why=f"{len(part)} records were read, {sum(dropped.values())} of them were dropped "
            "as duplicates of held-out ones",
        )
    if made:
        whole = groups if families is None else families
        wanted = [shares[name] for name in made]
        if learned is not None:
            pool, wanted = _unlearned(pool, wanted, bound(whole, learned))
        numbers = np.array([_TRAIN, *(PARTS.index(name) for name in made)], np.int64)
        part[pool] = numbers[divide(strata[pool], whole[pool], wanted, seed)]
    _, of_group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return Split(part, made, dropped, int((sizes[of_group] > 1).sum()))


def bound(groups: IntArray, learned: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether a record, or one that stays together with it, was learned from, [records]."""
    return np.isin(groups, groups[learned])


def _unlearned(
    pool: IntArray, shares: list[float], never: npt.NDArray[np.bool_]
) -> tuple[IntArray, list[float]]:
    """Records that can be held out, and shares of them that come to those of all of the pool."""
    free = pool[~never[pool]]
    if not len(free):
        raise DataError(
            "there is no record to judge on",
            why=f"the checkpoint was fine-tuned on all of the {len(pool)} records",
            do="name records that it has not seen with --test, or choose another checkpoint",
        )
    scale = min(len(pool) / len(free), _MOST_HELD_OUT / sum(shares))
    return free, [share * max(scale, 1.0) for share in shares]


def divide(strata: IntArray, groups: IntArray, shares: Sequence[float], seed: int) -> IntArray:
    """Part 0 for the rest and part ``i + 1`` for ``shares[i]`` of the records, [records].

    Where groups allow, a part holds its share of all records to within half a record, and of
    every class to within one; a class never leaves the rest altogether.
    """
    if any(share <= 0 for share in shares) or sum(shares) >= 1:
        raise UsageError(
            f"the held-out shares are {', '.join(map(str, shares))}",
            why="each must be above 0, and together below 1",
        )
    _, strata = np.unique(strata, return_inverse=True)
    targets = _share_targets(np.bincount(strata), shares)
    return _fill(strata, groups, targets, 0, rng.key(seed, "split"))


def folds(strata: IntArray, groups: IntArray, count: int, seed: int) -> IntArray:
    """A fold number below ``count`` for every record, [records].

    Where groups allow, two folds differ by at most one record, in every class and in all.
    """
    if count < 2 or count > len(groups):
        raise UsageError(f"{len(groups)} records cannot be cut into {count} folds")
    _, strata = np.unique(strata, return_inverse=True)
    sizes = np.bincount(strata)
    # Dealt like cards, one class after the other, without starting again at the first fold.
    ends = np.cumsum(sizes)
    dealt = (ends[None, :] + np.arange(count)[:, None]) // count
    targets = np.diff(dealt, axis=1, prepend=0)
    return _fill(strata, groups, targets[::-1], None, rng.key(seed, "folds"))


def rounds(fold: IntArray, judged: npt.NDArray[np.bool_]) -> list[tuple[IntArray, IntArray]]:
    """Rows to train on and rows to predict, of every fold that has rows to predict.

    Args:
        judged: whether each record may be predicted, [records].

    Raises:
        DataError: no record may be.
    """
    pairs = [
        (np.flatnonzero(fold != number), np.flatnonzero((fold == number) & judged))
        for number in np.unique(fold[judged])
    ]
    if not pairs:
        raise DataError(
            "there is no record to judge on",
            why=f"the checkpoint was fine-tuned on all of the {len(fold)} records",
            do="choose another checkpoint, or other records",
        )
    return pairs


def _leaks(part: IntArray, groups: IntArray) -> npt.NDArray[np.bool_]:
    """Records that have an equal one in a later part."""
    latest: IntArray = np.zeros(int(groups.max(initial=-1)) + 1, np.int64)
    np.maximum.at(latest, groups, part)
    return part < latest[groups]


def _share_targets(sizes: IntArray, shares: Sequence[float]) -> IntArray:
    """How many records of each class go to each part, [parts, classes]; part 0 is the rest."""
    targets = np.zeros((len(shares) + 1, len(sizes)), np.int64)
    left = sizes.copy()
    for number, share in enumerate(shares, start=1):
        exact = np.round(sizes * share, 9)
        room = np.maximum(left - 1, 0)
        cells = np.minimum(np.floor(exact).astype(np.int64), room)
        missing = int(exact.sum() + 0.5) - int(cells.sum())
        # The leftover records go to the classes that lost most by rounding down.
        order = np.lexsort((-sizes, cells - exact))
        chosen = order[(room > cells)[order]][: max(missing, 0)]
        cells[chosen] += 1
        targets[number] = cells
        left = left - cells
    targets[0] = left
    return targets


def _fill(
    strata: IntArray, groups: IntArray, targets: IntArray, rest: int | None, seed: np.uint64
) -> IntArray:
    """Send whole groups to parts so that ``targets`` [parts, classes] are met where possible.

    Large groups go first, each to a part that has room for it, with odds in proportion to that
    room; single records then fill the gaps exactly. What fits nowhere goes to ``rest``, or,
    without one, where the most room is.
    """
    generator = np.random.default_rng(int(seed))
    room = targets.copy()
    part = np.empty(len(groups), np.int64)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order][:1] - 1))
    sizes = np.diff(starts, append=len(order))
    shuffled = generator.permutation(len(starts))
    for number in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        if sizes[number] == 1:
            break
        members = order[starts[number] : starts[number] + sizes[number]]
        cells, counts = np.unique(strata[members], return_counts=True)
        fits = (room[:, cells] >= counts).all(axis=1)
        odds = np.cumsum(room[:, cells].sum(axis=1) * fits)
        if fits.any():
            chosen = int(np.searchsorted(odds, generator.random() * odds[-1], side="right"))
        else:
            chosen = int(room[:, cells].sum(axis=1).argmax()) if rest is None else rest
        room[chosen, cells] -= counts
        part[members] = chosen
    single = order[starts[sizes == 1]]
    for stratum in range(targets.shape[1]):
        waiting = single[strata[single] == stratum]
        places = _places(room[:, stratum], len(waiting), rest)
        part[generator.permutation(waiting)] = np.repeat(np.arange(len(places)), places)
    return part


def _places(room: IntArray, count: int, rest: int | None) -> IntArray:
    """Room made to sum to ``count``: groups that were too large left less than was planned."""
    places = np.maximum(room, 0)
    excess = int(places.sum()) - count
    if rest is not None:
        taken = min(excess, int(places[rest]))
        places[rest] -= taken
        excess -= taken
    for _ in range(excess):
        places[places.argmax()] -= 1
    return places
