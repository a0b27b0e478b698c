"""The end of build-vocab --plot: a picture beside the table, and its histogram in the terminal."""

import dataclasses
from pathlib import Path
from typing import Any

from sslkit import figures
from sslkit.artifacts import destination, kinds
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.errors import UsageError
from sslkit.files import atomic
from sslkit.vocab import picture, reading
from sslkit.vocab.kmers import spectrum

_LINES, _WIDTH = 24, 40


def check(options: Any, table: Path, *, sharded: bool = False) -> None:
    """Refuse at once what could not be done at the end.

    Raises:
        UsageError: there will be no table, the extra package is missing, or another file stands
            where the picture would be.
        ResourceError: the picture cannot be written.
    """
    if not options.plot:
        return
    if sharded:
        raise UsageError(
            "--plot shows the whole table, and a share is none", do="give it to merge-vocab"
        )
    figures.check()
    destination.check(picture_of(table), kinds.picture("build-vocab"), options)


def picture_of(table: Path) -> Path:
    """The picture that belongs to a vocabulary: vocab.png."""
    return table.with_name(table.stem + ".png")


def draw(table: Path, console: Console) -> tuple[dict[str, Any], str]:
    """Write the picture of a finished table.

    Returns:
        what there is to tell machines, and people.
    """
    held = spectrum.collect(reading.counts(table))
    beside = picture_of(table)
    if not len(held.values):
        console.warn("all counts are 0: nothing to draw")
        return {}, ""
    atomic.write_bytes(beside, picture.png(held, _title(reading.stated(table), held)))
    console.say(f"wrote {beside}")
    fit = held.fit()
    said = {"plot": str(beside), "zipf": fit and dataclasses.asdict(fit)}
    text = spectrum.lines(held, _LINES, _WIDTH)
    if fit:
        text += (
            f"\n\ncount ~ rank ** {fit.slope:.2f} by least squares of logarithms, ranks "
            f"{fit.first:,} to {fit.last:,}, R2 {fit.explained:.3f}"
        )
    return said, text


def _title(made: Manifest, held: spectrum.Spectrum) -> str:
    domain = made.plugins["domain"]
    values = [f"{name}={value}" for name, value in domain["settings"].items()]
    if method := made.settings.get("subword"):
        values.append(f"{method} subwords")
    what = ", ".join([domain["name"], *values])
    total = int((held.values * held.tokens).sum())
    return f"{what}: {total:,} tokens, {held.tokens.sum():,} distinct"
