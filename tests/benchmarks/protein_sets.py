"""Sets of proteins, and probes of encoders of them, for the table of proteins in RESULTS.md."""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from results import DATA, sslkit

from sslkit.files import fasta

PROTEINS = DATA / "proteins"
Found = dict[str, list[float]]


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def archive(name: str, member: str) -> str:
    """A file of a set of FLIP."""
    with zipfile.ZipFile(PROTEINS / name / "splits.zip") as held:
        return held.read(f"splits/{member}").decode()


def titled(text: str) -> dict[str, tuple[str, str]]:
    """Rest of the title and letters of each record of a FASTA file, by its name."""
    stream = io.BufferedReader(io.BytesIO(text.encode()))
    return {
        one.id: (str(one.metadata.get("title", "")), one.payload.decode())
        for one in fasta.parse(stream, Path("archive"))
    }


def probe(out: Path, seed: int, task: str, metric: str, name: str, *words: str) -> Found:
    """A metric of every model of a probe."""
    given = ["--task", task, "--seed", str(seed), "-o", f"probed/{name}", *words]
    held = json.loads(sslkit(out / f"seed-{seed}", "probe", *given))
    values = {m["name"]: m["metrics"][metric]["value"] for m in held["models"]}
    # One number for all records ranks nothing.
    return {name: [value] for name, value in values.items() if value is not None}
