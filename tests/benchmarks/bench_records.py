"""Reading short sequences, beside Biopython's plain iterators of titles and letters.

Processor time of one thread, both readers in turn within each round; ours gives records with ids,
numbers, titles and errors, Biopython's give strings. Ratios are taken round by round.

    python tests/benchmarks/bench_records.py [--reads 200000] [--rounds 7]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from Bio.SeqIO.FastaIO import SimpleFastaParser
from Bio.SeqIO.QualityIO import FastqGeneralIterator

from sslkit.files import sequences

_LETTERS = 100


def _write(fasta: Path, fastq: Path, reads: int) -> None:
    draw = np.random.default_rng(1)
    letters = np.frombuffer(b"ACGT", np.uint8)[draw.integers(0, 4, (reads, _LETTERS))]
    quality = "I" * _LETTERS
    with fasta.open("w") as one, fastq.open("w") as other:
        for number, row in enumerate(letters):
            text = row.tobytes().decode()
            one.write(f">read{number} length={_LETTERS}\n{text}\n")
            other.write(f"@read{number} length={_LETTERS}\n{text}\n+\n{quality}\n")


def _bio(parser: Callable[[Any], Iterator[Any]]) -> Callable[[Path], Iterator[Any]]:
    def read(path: Path) -> Iterator[Any]:
        with path.open() as stream:
            yield from parser(stream)

    return read


def _microseconds(read: Callable[[Path], Iterator[Any]], path: Path) -> float:
    """Of one record."""
    start, count = time.process_time(), 0
    for _ in read(path):
        count += 1
    return (time.process_time() - start) / count * 1e6


def main() -> None:
    """Print a row for each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    print("| format | sslkit, us a record | Biopython | ratio, median (range) |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        fasta, fastq = Path(folder, "reads.fa"), Path(folder, "reads.fq")
        _write(fasta, fastq, given.reads)
        peers = ((fasta, _bio(SimpleFastaParser)), (fastq, _bio(FastqGeneralIterator)))
        for path, peer in peers:
            rounds = [
                (_microseconds(sequences.read, path), _microseconds(peer, path))
                for _ in range(given.rounds)
            ]
            ratios = [ours / theirs for ours, theirs in rounds]
            ours, theirs = (statistics.median(side) for side in zip(*rounds, strict=True))
            print(
                f"| {path.suffix[1:]} | {ours:.2f} | {theirs:.2f} | "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
            )


if __name__ == "__main__":
    main()
