"""Shares of a corpus, counted apart, perhaps on several machines, to be merged.

A share is a folder that holds one spill, merged from all that its process wrote, and a file that
says which share of which corpus it is and how it was made.
"""

import dataclasses
import json
import operator
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.artifacts import kinds, manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic, folder
from sslkit.vocab.contents import names_and_hashes
from sslkit.vocab.external_sort import combine, runs
from sslkit.vocab.external_sort.keys import KINDS
from sslkit.vocab.external_sort.runs import Run, Spill

_SPILL = "counts"
_STATED = kinds.SHARE
#: All that is written into the folder of a share.
_NAMES = (
    *(_STATED, f"{_SPILL}.json"),
    *(path.name for kind in KINDS.values() for path in Run(Path(_SPILL), kind, 0, 1).paths),
)
_KNOWN = re.compile("|".join(map(re.escape, _NAMES)))


@dataclass(frozen=True)
class Share:
    """What a share says of itself.

    Attributes:
        made: with those of the inputs that begin in this share.
        shard: which one of how many.
        files: all files of the corpus, in order.
    """

    made: Manifest
    shard: tuple[int, int]
    tally: Counter[str]
    files: list[str]


def parse(text: str | None) -> tuple[int, int]:
    """``i/n`` as numbers; without it, the one share of one.

    Raises:
        UsageError: it is something else.
    """
    if text is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text} names no share", do="write 1/8, 2/8, ... 8/8")
    return int(match[1]), int(match[2])


def name(shard: tuple[int, int]) -> str:
    """The folder of a share; they sort by number."""
    width = len(str(shard[1]))
    return f"part-{shard[0]:0{width}d}-of-{shard[1]}"


def inputs_of(files: Sequence[Path], shard: tuple[int, int]) -> list[Path]:
    """The files that a share describes, so that each is described by one of them."""
    number, count = shard
    return [path for place, path in enumerate(files) if place % count == number - 1]


def check_folders(out: Path) -> None:
    """Refuse to write a share where folders in its way hold what is not of a share.

    Raises:
        UsageError: one of them does.
    """
    for path in (out, *_beside(out)):
        if path.is_symlink() or (os.path.lexists(path) and not path.is_dir()):
            raise UsageError(f"{path} is no folder", do="write elsewhere with --out")
        if others := folder.foreign(path, _KNOWN):
            raise UsageError(
                f"{path} holds what is not of a share",
                why=", ".join(others[:3]),
                do="write elsewhere with --out, or move it away",
            )


def _beside(out: Path) -> tuple[Path, Path]:
    """What a share is called until it is whole, and one that it replaces until it is removed."""
    return out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.old")


def remove(path: Path) -> None:
    """Remove a share, and nothing that is not of it."""
    folder.remove(path, _KNOWN)


def write(out: Path, spills: Sequence[Spill], share: Share, memory: int) -> None:
    """Write a share; the folder appears when it is whole, and survives a loss of power."""
    tidy(out)
    part, old = _beside(out)
    with runs.explained(part):
        atomic.make_folder(part)
    combine.join(spills, part / _SPILL, memory)
    stated = {
        "made": share.made.to_json(),
        "shard": share.shard,
        "tally": dict(share.tally),
        "files": share.files,
    }
    body = {"check": runs.check_of(stated), **stated}
    atomic.write_text(part / _STATED, json.dumps(body, sort_keys=True))
    with runs.explained(out):
        atomic.sync_files(part)
        if out.exists():
            atomic.move(out, old)
        atomic.move(part, out)
        remove(old)


def tidy(out: Path) -> None:
    """Remove what a process that was killed had written of a share, or had still to remove."""
    for path in _beside(out):
        remove(path)


def load(path: Path) -> tuple[Share, Spill]:
    """Read a share.

    Raises:
        DataError: it is damaged, or none.
    """
    share = _stated(path)
    spill = runs.load(path / f"{_SPILL}.json")
    if spill is None:
        raise DataError(
            "a part is damaged", where=str(path), do="count it again with --shard and --force"
        )
    return share, spill


def _stated(path: Path) -> Share:
    try:
        held = json.loads((path / _STATED).read_bytes())
        if held.pop("check") != runs.check_of(held):
            raise ValueError(f"{_STATED} is not as it was written")
        made = manifest.from_json(held["made"], str(path))
        first, last = map(int, held["shard"])
        tally = {name: operator.index(count) for name, count in held["tally"].items()}
        return Share(made, (first, last), Counter(tally), list(map(str, held["files"])))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            "this is not a part of a vocabulary, or a damaged one",
            where=str(path),
            why=str(error),
            do="count it again with --shard and --force",
        ) from error


def check(path: Path, made: Manifest, shard: tuple[int, int], files: Sequence[Path]) -> None:
    """Refuse to take a share for another one.

    Args:
        made: with the inputs that begin in this share.
        files: all files of the corpus, in order.

    Raises:
        UsageError: it was made with other settings, of other files, or is another share.
    """
    held = _stated(path)
    why = ""
    if _settings(held.made) != _settings(made) or held.shard != shard:
        why = "its settings are others"
    elif _names(held.files) != _names(files) or (
        names_and_hashes(held.made.inputs) != names_and_hashes(made.inputs)
    ):
        why = "the corpus differs"
    if why:
        raise UsageError(
            f"{path} was made otherwise",
            why=why,
            do="write elsewhere with -o, or overwrite it with --force",
        )


def join(found: Sequence[Share]) -> tuple[Manifest, Counter[str]]:
    """The manifest and the tally of a whole corpus from all of its shares.

    Raises:
        UsageError: they are not all shares, once each, of one corpus, made alike.
    """
    first = found[0]
    total = first.shard[1]
    for share in found:
        same = _settings(share.made) == _settings(first.made)
        if not same or _names(share.files) != _names(first.files) or share.shard[1] != total:
            raise UsageError(
                "the parts do not belong together",
                why=f"parts {first.shard[0]} and {share.shard[0]} were made otherwise",
            )
    numbers = sorted(share.shard[0] for share in found)
    if numbers != list(range(1, total + 1)):
        missing = sorted(set(range(1, total + 1)) - set(numbers))
        raise UsageError(
            "these are not all parts, once each",
            why=f"missing: {', '.join(map(str, missing)) or 'none'}; there are {total}",
        )
    described = {share.shard[0]: share.made.inputs for share in found}
    # As ``inputs_of`` dealt them out; each machine may have had them in a folder of its own.
    places = [divmod(place, total) for place in range(len(first.files))]
    if any(at >= len(described[number + 1]) for at, number in places):
        raise DataError("a part of a vocabulary does not describe its files", do="count it again")
    inputs = tuple(described[number + 1][at] for at, number in places)
    tally: Counter[str] = sum((share.tally for share in found), Counter())
    return dataclasses.replace(first.made, inputs=inputs), tally


def _names(files: Sequence[str | Path]) -> list[str]:
    """Files without the folders that they lie in."""
    return [Path(path).name for path in files]


def _settings(made: Manifest) -> Any:
    return made.stage, made.settings, made.plugins
