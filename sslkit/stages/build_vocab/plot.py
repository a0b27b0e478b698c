"""build-vocab --plot: a picture beside the table, and its histogram in the terminal."""

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
        UsageError: a share has no table to draw, the extra package is missing, or another file is
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
    """The path of a vocabulary's picture: vocab.png for vocab.parquet."""
    return table.with_name(table.stem + ".png")


def draw(table: Path, console: Console) -> tuple[dict[str, Any], str]:
    """Write the picture of a finished table.

    Returns:
        the results for ``--json``, and a text for people.
    """
    counts = spectrum.collect(reading.counts(table))
    path = picture_of(table)
    if not len(counts.values):
        console.warn("all counts are 0: nothing to draw")
        return {}, ""
    atomic.write_bytes(path, picture.png(counts, _title(reading.stated(table), counts)))
    console.say(f"wrote {path}")
    fit = counts.fit()
    results = {"plot": str(path), "zipf": fit and dataclasses.asdict(fit)}
    text = spectrum.lines(counts, _LINES, _WIDTH)
    if fit:
        text += (
            f"\n\ncount ~ rank ** {fit.slope:.2f} by least squares of logarithms, ranks "
            f"{fit.first:,} to {fit.last:,}, R2 {fit.explained:.3f}"
        )
    return results, text


def _title(manifest: Manifest, counts: spectrum.Spectrum) -> str:
    domain = manifest.plugins["domain"]
    values = [f"{name}={value}" for name, value in domain["settings"].items()]
    if method := manifest.settings.get("subword"):
        values.append(f"{method} subwords")
    name = ", ".join([domain["name"], *values])
    total = int((counts.values * counts.tokens).sum())
    return f"{name}: {total:,} tokens, {counts.tokens.sum():,} distinct"
