"""The peak of memory that `sslkit plan` estimates beside the one that `sslkit pretrain` has.

Every cell of the grid is estimated by one fresh process and measured by another, which trains a few
steps on a corpus made from a seed and writes its state after every one. Peaks are resident memory
of the whole process, in MiB, interpreter and libraries included. About 8 minutes of one processor.

    python tests/benchmarks/bench_memory.py [--cells 0,3,7] [--threads 1]
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import corpora

_STEPS = "2"


@dataclass(frozen=True)
class Cell:
    """One run: what differs from the first."""

    model: str = "transformer"
    objective: str = "mlm"
    blocks: int = 6
    width: int = 128
    window: int = 128
    micro: int = 4096
    k: int = 6
    precision: str = "fp32"
    checkpointing: bool = False
    more: tuple[str, ...] = field(default=())

    def words(self) -> list[str]:
        """What plan and pretrain are both asked."""
        settings = (f"blocks={self.blocks}", f"width={self.width}", *self.more)
        pairs = [word for setting in settings for word in ("--set", setting)]
        return [
            "--model", self.model, "--objective", self.objective, "--window", str(self.window),
            "--micro-tokens", str(self.micro), "--batch-tokens", str(2 * self.micro),
            "--vocab", f"vocab{self.k}.parquet", "--precision", self.precision, *pairs,
        ]  # fmt: skip


def grid() -> list[Cell]:
    """Models, objectives, precisions and checkpointing; then one thing after the other."""
    cells = [
        Cell(model=model, objective=objective, precision=precision, checkpointing=again)
        for model, objective, precision, again in itertools.product(
            ("transformer", "gru", "conv"), ("mlm", "clm"), ("fp32", "bf16"), (False, True)
        )
    ]
    for again in (False, True):
        cells += [
            Cell(blocks=2, width=512, micro=1024, checkpointing=again),
            Cell(blocks=16, micro=2048, checkpointing=again),
            Cell(window=1024, micro=4096, blocks=3, checkpointing=again),
            Cell(window=2048, micro=4096, blocks=3, checkpointing=again),
            Cell(window=32, micro=8192, blocks=4, checkpointing=again),
            Cell(micro=512, checkpointing=again),
            Cell(micro=16384, blocks=3, precision="bf16", checkpointing=again),
            Cell(k=4, checkpointing=again),
            Cell(k=8, micro=2048, blocks=2, width=64, checkpointing=again),
            Cell(more=("dropout=0.1",), checkpointing=again),
        ]
    cells += [Cell(more=(f"norm={norm}",)) for norm in ("rms", "group", "batch")]
    return cells


def estimated(cell: Cell, threads: str) -> float:
    """MiB, by `sslkit plan`."""
    command = [sys.executable, "-m", "sslkit", "plan", "--mem", "1T", "--json", "-q"]
    words = [*command, "--threads", threads, *cell.words()]
    held = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    (peak,) = {
        way["peak"]
        for way in held["ways"]
        if way["gradient_checkpointing"] == cell.checkpointing and way["micro_tokens"] == cell.micro
    }
    return float(peak) / 2**20


def measured(cell: Cell, threads: str) -> float:
    """MiB, by `sslkit pretrain` as the system counts it."""
    command = [sys.executable, "-m", "sslkit", "pretrain", "--steps", _STEPS, "-q", "--force"]
    words = [*command, "--checkpoint-every", "0", "--threads", threads, *cell.words()]
    if cell.checkpointing:
        words.append("--gradient-checkpointing")
    process = subprocess.Popen(words)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    return used.ru_maxrss / 2**10


def main() -> None:
    """Print a line for every cell, and the worst error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", help="numbers of cells, as 0,3,7; all by default")
    parser.add_argument("--threads", default="1")
    asked = parser.parse_args()
    cells = list(enumerate(grid()))
    if asked.cells:
        cells = [cells[int(number)] for number in asked.cells.split(",")]
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        corpora.genome(Path("genome.fa"), 400_000)
        for k in sorted({cell.k for _, cell in cells}):
            made = [sys.executable, "-m", "sslkit", "build-vocab", "genome.fa", "--k", str(k)]
            subprocess.run([*made, "-o", f"vocab{k}.parquet", "-q"], check=True)
        print("cell  estimated  measured  error")
        for number, cell in cells:
            one, other = estimated(cell, asked.threads), measured(cell, asked.threads)
            error = one / other - 1
            worst = max(worst, abs(error))
            print(
                f"{number:4}  {one:8.0f}  {other:8.0f}  {error:+5.1%}  {_named(cell)}", flush=True
            )
    print(f"worst error {worst:.1%} of {len(cells)} cells")


def _named(cell: Cell) -> str:
    again = "checkpointing" if cell.checkpointing else "kept"
    return (
        f"{cell.model} {cell.objective} {cell.precision} {again}, {cell.blocks} x {cell.width}, "
        f"window {cell.window}, micro {cell.micro}, k {cell.k} {' '.join(cell.more)}"
    )


if __name__ == "__main__":
    main()
