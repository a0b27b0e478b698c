"""The second half of a count: spills merged into one stream of tokens in order."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sslkit.vocab import budget, merge, runs
from sslkit.vocab.ahead import ahead
from sslkit.vocab.interleave import interleave
from sslkit.vocab.keys import KINDS, Column, Counts, Kind
from sslkit.vocab.runs import Spill


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


def _of_kind(spills: Sequence[Spill], kind: Kind) -> list[runs.Run]:
    return [run for spill in spills for run in spill.runs if run.kind.name == kind.name]


def stream(
    spills: Sequence[Spill], memory: int, overlap: bool = False
) -> tuple[Kind, Iterator[tuple[Column, Counts]]]:
    """All tokens in order, each once, with their counts; and the kind of the columns.

    Args:
        overlap: whether every step is a thread of its own.
    """
    found = kinds(spills)
    # What is made ahead needs room too.
    share = _share(len(found), memory // 2 if overlap else memory)
    merged = [(kind, merge.merge(_of_kind(spills, kind), share)) for kind in found]
    if overlap:
        merged = [(kind, ahead(chunks)) for kind, chunks in merged]
    if len(merged) == 1:
        return merged[0]
    together = interleave(merged)
    return KINDS["bytes"], ahead(together) if overlap else together


def _share(count: int, memory: int) -> int:
    """Bytes for each of several merges at once; what puts them together takes as many again."""
    return memory if count < 2 else memory // (2 * count)
