"""Cutting text into pieces beside looking up words and beside the tokenizers library.

    make bench-subwords

Both parts of WikiText-2 (2.4 MB) are cut with 4000 pieces, each side in turn on one core, five
rounds. "split" is finding the words, which the other sides of ours need as well; "first time" is
with nothing remembered, as the first megabytes of a corpus are; "again" is with its words known,
as the rest of a corpus mostly is. The library splits and cuts the text in one call.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tokenizers
from results import DATA

from sslkit.domains import text
from sslkit.domains.language.encoders import WordEncoder, encoder_of
from sslkit.domains.language.words import RULES
from sslkit.vocab import vocabulary
from sslkit.vocab.scheme import Slices
from sslkit.vocab.splitting import SplitReader

ROUNDS, BLOCK = 5, 1 << 20
PARTS = [DATA / "text_code" / "wikitext2" / name for name in ("valid.txt", "test.txt")]


def split(raw: bytes) -> list[Slices]:
    """The words of a text, block by block as a domain reads it."""
    reader = SplitReader("text", RULES["words"], "stop")
    blocks = [reader.feed(raw[at : at + BLOCK]) for at in range(0, len(raw), BLOCK)]
    return [*blocks, reader.finish()]


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(method: str, raw: bytes, folder: Path) -> None:
    """Print a row for each side."""
    table = folder / f"{method}.parquet"
    command = [sys.executable, "-m", "sslkit", "build-vocab", *map(str, PARTS), "-q", "-o"]
    more = ["--domain", "text", "--subword", method, "--max-size", "4000"]
    subprocess.run([*command, str(table), *more], check=True)
    held, _ = vocabulary.load(table)
    library = tokenizers.Tokenizer.from_file(str(table.with_suffix(".tokenizer.json")))
    words, limit = split(raw), int(text.BETWEEN)
    count, whole = sum(len(block.starts) for block in words), raw.decode()
    lookup = WordEncoder(held.tokens, limit)
    taken: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        pieces = encoder_of(held, limit)
        sides: dict[str, Callable[[], object]] = {
            "split": lambda: split(raw),
            "words looked up": lambda: [lookup.units(block) for block in words],
            "cut the first time": lambda once=pieces: [once.units(block) for block in words],
            "cut again": lambda again=pieces: [again.units(block) for block in words],
            "split and cut by the library": lambda: library.encode(whole),
        }
        for name, work in sides.items():
            taken.setdefault(name, []).append(seconds(work))
    ours = [a + b for a, b in zip(taken["split"], taken["cut the first time"], strict=True)]
    print(f"| {method} | million words a second | times the seconds of split and cut (first) |")
    print("|---|---|---|")
    for name, each in taken.items():
        ratios = sorted(b / a for a, b in zip(ours, each, strict=True))
        rate = count / statistics.median(each) / 1e6
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {name} | {rate:.2f} | {spread} |")


def main() -> None:
    """Compare both methods."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"
    if not all(path.is_file() for path in PARTS):
        raise SystemExit(f"the public data sets are not at {DATA}")
    raw = b"".join(path.read_bytes() for path in PARTS)
    with tempfile.TemporaryDirectory() as folder:
        for method in ("bpe", "unigram"):
            compare(method, raw, Path(folder))


if __name__ == "__main__":
    main()
