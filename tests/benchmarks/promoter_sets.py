"""Write the public promoter sets as the CSV files that sslkit reads.

    python tests/benchmarks/promoter_sets.py ../shared/data OUT

makes OUT/<set>/train.csv and, where the set has them, dev.csv and test.csv. Sets without a split
of their own get one file; finetune and probe divide it. Sequences of the training parts alone go
to OUT/<set>/unlabelled.fa, for pretraining without a look at test records.
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sslkit.files import fasta

Row = tuple[str, str, str]
GUE = {"prom_300_tata": "prom_prom_300_tata", "prom_core_tata": "prom_prom_core_tata"}


def rows_of_fasta(path: Path, label: str) -> Iterator[Row]:
    """Rows of a FASTA file whose records all have one label; ids are not unique in these."""
    for entry in fasta.read(path):
        yield f"{label}-{entry.number}-{entry.id}", entry.payload.decode(), label


def rows_of_uci(path: Path) -> Iterator[Row]:
    """Rows of the UCI file: class, name, sequence."""
    for line in path.read_text().splitlines():
        if line.strip():
            label, name, sequence = (cell.strip() for cell in line.split(","))
            yield name, sequence.upper(), "1" if label == "+" else "0"


def rows_of_gue(path: Path) -> Iterator[Row]:
    """Rows of a GUE file, which has no ids."""
    with path.open(newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 1):
            yield f"{path.stem}-{number}", row["sequence"], row["label"]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as id, sequence, label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sequence", "label"])
        writer.writerows(rows)


def write_all(data: Path, out: Path) -> None:
    """Write every set."""
    promoters = data / "promoters"
    cnnprom = promoters / "cnnprom"
    for name, positive, negative in (
        ("cnnprom_ecoli", "Ecoli_prom.fa", "Ecoli_non_prom.fa"),
        ("cnnprom_mouse", "Mouse_tata.fa", "Mouse_nonprom.fa"),
    ):
        rows = [*rows_of_fasta(cnnprom / positive, "1"), *rows_of_fasta(cnnprom / negative, "0")]
        write(out / name / "train.csv", rows)
    write(out / "uci106" / "train.csv", rows_of_uci(promoters / "ecoli_uci106/promoters.data"))
    for name, folder in GUE.items():
        for part in ("train", "dev", "test"):
            source = promoters / "gue" / folder / f"{part}.csv"
            write(out / name / f"{part}.csv", rows_of_gue(source))
        unlabelled = rows_of_gue(promoters / "gue" / folder / "train.csv")
        text = "".join(f">{name}\n{sequence}\n" for name, sequence, _ in unlabelled)
        (out / name / "unlabelled.fa").write_text(text)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]), Path(sys.argv[2]))
