"""The second half of a count: spills merged into streams of tokens in order."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from sslkit.vocab import budget
from sslkit.vocab.external_sort import merge, runs
from sslkit.vocab.external_sort.interleave import interleave
from sslkit.vocab.external_sort.keys import KINDS, Column, Counts, Kind
from sslkit.vocab.external_sort.runs import Run, Spill


def reduce(
    spills: list[Spill], folder: Path, memory: int, check: Callable[[], None]
) -> list[Spill]:
    """Merge spills into longer ones until the rest can be merged at once.

    Sources stay where they are: what an earlier process left of this is made again.
    """
    budget.settle()
    most = merge.fan_in(_share(len(kinds(spills)), memory))
    level = 0
    while len(spills) > most:
        merged = []
        for number, start in enumerate(range(0, len(spills), most)):
            check()
            some = spills[start : start + most]
            merged.append(join(some, folder / f"level{level}-{number:06d}", memory))
        spills, level = merged, level + 1
    return spills


def join(some: Sequence[Spill], stem: Path, memory: int) -> Spill:
    """Merge some spills, no more than can be at once, into one."""
    found = [
        runs.write_run(stem, kind, merge.merge(_of_kind(some, kind), memory))
        for kind in kinds(some)
    ]
    return runs.seal(stem, found, {})


def kinds(spills: Sequence[Spill]) -> list[Kind]:
    """The kinds of key that occur, those of shorter tokens first."""
    held = {run.kind.name for spill in spills for run in spill.runs}
    return [kind for name, kind in KINDS.items() if name in held]


def _of_kind(spills: Sequence[Spill], kind: Kind) -> list[Run]:
    return [run for spill in spills for run in spill.runs if run.kind.name == kind.name]


def streams(
    spills: Sequence[Spill], memory: int, threads: int = 1
) -> tuple[Kind, list[Iterator[tuple[Column, Counts]]]]:
    """All tokens in order, each once, with their counts; and the kind of the columns.

    Args:
        threads: into how many stretches of about equal size they are divided, one for each.
    """
    found = kinds(spills)
    share = _share(len(found), memory // threads)
    made: list[Iterator[tuple[Column, Counts]]] = []
    for held in _divided([run for spill in spills for run in spill.runs], threads):
        merged = [
            (kind, merge.merge([run for run in held if run.kind.name == kind.name], share))
            for kind in found
        ]
        made.append(merged[0][1] if len(merged) == 1 else interleave(merged))
    return found[0] if len(found) == 1 else KINDS["bytes"], made


def _divided(held: Sequence[Run], count: int) -> list[list[Run]]:
    """The rows of all runs divided at the same tokens."""
    shares: list[list[Run]] = [[] for _ in range(count)]
    if count == 1 or not held:
        return [list(held), *shares[1:]]
    longest = max(held, key=lambda run: run.rows)
    borders = [_head(longest, number * longest.rows // count) for number in range(1, count)]
    for run in held:
        rows = range(run.rows)
        places = [bisect_left(rows, border, key=partial(_head, run)) for border in borders]
        for share, (start, end) in zip(shares, pairwise([0, *places, run.rows]), strict=True):
            if start < end:
                share.append(run.part(start, end))
    return shares


def _head(run: Run, row: int) -> bytes:
    """The first eight bytes of a key."""
    column, _ = run.read(row, 1, 1)
    key = run.kind.last(column)
    return bytes(key[:8]).ljust(8, b"\0") if isinstance(key, bytes) else key[0].to_bytes(8)


def _share(count: int, memory: int) -> int:
    """Bytes for each of several merges at once; what puts them together takes as many again."""
    return memory if count < 2 else memory // (2 * count)
