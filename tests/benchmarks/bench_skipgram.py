"""Skip-gram with negative sampling beside gensim, on one pinned core: speed and what it is worth.

    python tests/benchmarks/bench_skipgram.py --peer /path/to/venv/bin/python

Corpora are made from seeds with groups of words, or of k-mers, planted in them (skipgram_task.py).
Every round runs all sides in turn on the same corpus with the same width (100), window (5) and
negatives (5); k-mers are those side by side, in all six frames, on one strand but for the tied
ones. Seconds are those of the processor from encoded corpus to vectors, without imports and
gensim's vocabulary; ours count the pairs. Shown are medians, and ratios round by round with their
range; the share of intruders that the vectors of the last round find; and, for k-mers, the exact
expected loss on a corpus that no side has seen (of another seed, same groups). gensim's Python is
given with --peer or SSLKIT_BENCH_PEERS; it is left out, by name, where gensim is missing.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import skipgram_task as task
import torch

from sslkit.contracts.spec import Ids
from sslkit.objectives.skipgram import Objective, Settings

HERE = Path(__file__).parent


def main() -> None:
    """Parse, race, print a table in Markdown for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", default=os.environ.get("SSLKIT_BENCH_PEERS", sys.executable),
                        help="Python that has gensim")  # fmt: skip
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bases", type=int, nargs="*", default=[4], help="millions")
    parser.add_argument("--words", type=int, nargs="*", default=[2], help="millions")
    parser.add_argument("--epochs", type=int, default=1, help="of gensim, and of ours on words")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {asked.core})
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    probe = subprocess.run([asked.peer, "-c", "import gensim"], capture_output=True, check=False)
    if probe.returncode:
        print(f"left out: gensim, which {asked.peer} does not have")
    print(f"{asked.rounds} rounds, load {os.getloadavg()[0]:.1f} at the beginning")
    for kind, sizes in (("kmers", asked.bases), ("words", asked.words)):
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="bench-skipgram-") as folder:
                compare(kind, size * 10**6, asked, Path(folder), there=not probe.returncode)


def compare(kind: str, size: int, asked: argparse.Namespace, folder: Path, *, there: bool) -> None:
    """Run all sides in turn on one corpus."""
    corpus = task.kmers(size) if kind == "kmers" else task.words(size // task.SENTENCE)
    units = task.genome(corpus) if kind == "kmers" else corpus.sentences
    np.save(folder / "corpus.npy", units)
    lines = frames(units) if kind == "kmers" else corpus.sentences
    with (folder / "corpus.txt").open("w") as stream:
        stream.writelines(" ".join(map(str, line)) + "\n" for line in lines)
    shape = [str(corpus.size), str(asked.epochs)]
    own = [sys.executable, str(HERE / "ours_skipgram.py")]
    sides = {
        f"sslkit {what}, {precision}": [*own, what, "corpus.npy", *shape, precision]
        for what in (("kmers", "tied") if kind == "kmers" else ("words",))
        for precision in ("fp32", "bf16")
    }
    peer = f"gensim, {asked.epochs} epoch(s)"
    if there:
        sides[peer] = [asked.peer, str(HERE / "peer_skipgram.py"), "corpus.txt", *shape]
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(asked.rounds):
        for number, (name, command) in enumerate(sides.items()):
            done = subprocess.run(
                [*command, f"{number}.npz"], cwd=folder, check=True, capture_output=True, text=True
            )
            seconds[name].append(float(done.stdout))
    print(f"\n### {size / 1e6:g} million {'bases' if kind == 'kmers' else 'words'}\n")
    print("| side | thousand/s | x gensim | intruders found | held-out nats per pair |")
    print("|---|---|---|---|---|")
    for number, (name, each) in enumerate(seconds.items()):
        read = units.size * (asked.epochs if kind == "words" or name == peer else 1)
        made = np.load(folder / f"{number}.npz")
        cells = [name, f"{read / statistics.median(each) / 1000:.0f}"]
        cells.append(ratios(seconds.get(peer, []), each, read, units.size * asked.epochs))
        cells.append(f"{task.accuracy(made['centres'], corpus.groups):.3f}")
        cells.append(f"{unseen(made, size):.4f}" if kind == "kmers" else "")
        print(f"| {' | '.join(cells)} |", flush=True)


def ratios(peer: list[float], own: list[float], read: int, peer_read: int) -> str:
    """How much faster than the peer, each for what it read: median, least and most."""
    found = [read / b / (peer_read / a) for a, b in zip(peer, own, strict=False)]
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})" if found else ""


def frames(units: np.ndarray) -> list[list[int]]:
    """K-mers side by side in each frame, in lines of a thousand."""
    weight = 4 ** np.arange(task.K - 1, -1, -1)
    found = []
    for phase in range(task.K):
        whole = units[phase : len(units) - (len(units) - phase) % task.K]
        line = (whole.reshape(-1, task.K) @ weight).tolist()
        found += [line[at : at + 1000] for at in range(0, len(line), 1000)]
    return found


def unseen(made: np.lib.npyio.NpzFile, size: int) -> float:
    """The exact expected loss on a corpus of another seed."""
    lines = [np.array(line) for line in frames(task.genome(task.kmers(min(size, 10**7), 9)))]
    objective = Objective(
        Settings(),
        {"tokens": Ids(("length",), 4**task.K)},
        np.bincount(np.concatenate(lines), minlength=4**task.K),
    )
    pairs = np.zeros((4**task.K, 4**task.K), np.int64)
    for offset, weight in objective.offsets:
        keys = np.concatenate([line[:-offset] * 4**task.K + line[offset:] for line in lines])
        pairs += weight * np.bincount(keys, minlength=pairs.size).reshape(pairs.shape)
    batch = objective.counted(pairs + pairs.T, np.arange(4**task.K), slice(None))
    arrays = {name: torch.from_numpy(array) for name, array in batch.items()}
    encoder, head = objective.head(100), objective.head(100)
    encoder.load_state_dict({"weight": torch.from_numpy(made["centres"])})
    head.load_state_dict({"weight": torch.from_numpy(made["contexts"])})
    with torch.inference_mode():
        loss = objective.losses(_Rows(encoder), head, arrays)["skipgram"]
    return float(loss) / float(batch["terms"][0])


class _Rows(torch.nn.Module):
    """A table as an encoder."""

    def __init__(self, table: torch.nn.Module) -> None:
        super().__init__()
        self.table = table

    def forward(self, tokens: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Vectors of tokens."""
        del length
        found: torch.Tensor = self.table(tokens)
        return found


if __name__ == "__main__":
    main()
