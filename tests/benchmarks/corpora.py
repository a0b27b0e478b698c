"""Corpora for benchmarks, made from seeds: text, source code, a genome, and reads of one."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

_LETTERS = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz", np.uint8)
_BASES = np.frombuffer(b"ACGT", np.uint8)
_READ = 150


def text(path: Path, size: int) -> None:
    """Words by Zipf's law, about 5.4 bytes with the gap behind them; one in eleven is a new one.

    A word is its rank in letters, so that frequent words are short, and some letters more: up to
    two, in one word of eight up to seven, and in one of sixty-four up to fourteen.
    """
    rng = np.random.default_rng(1)
    with path.open("wb") as stream:
        while stream.tell() < size:
            words = _words(rng, 500_000, max(size // 32, 1000))
            words[:, -1] = np.where(np.arange(len(words)) % 12 == 11, 10, 32)
            stream.write(words[words != 0].tobytes())


def _words(rng: np.random.Generator, count: int, ranks: int) -> npt.NDArray[np.uint8]:
    """Letters of words, [count, 24], padded with zeros."""
    rank = np.exp(rng.random(count) * np.log(ranks)).astype(np.int64)
    words = np.zeros((count, 24), np.uint8)
    left, mixed = rank, rank * 0x9E3779B1 >> 9
    more = mixed % 3 + np.where(mixed % 8 == 1, 5, 0) + np.where(mixed % 64 == 3, 12, 0)
    for place in range(23):
        inside = left > 0
        letter = _LETTERS[np.where(inside, left, mixed + place) % 26]
        words[:, place] = np.where(inside | (more > 0), letter, 0)
        more, left = np.where(inside, more, more - 1), left // 26
    return words


def code(path: Path, size: int) -> None:
    """Lines of C: calls, assignments and conditions over names by Zipf's law."""
    rng = np.random.default_rng(4)
    kinds = (
        b"\t%s = %s(%s, %d);\n", b"\tif (%s->%s >= %s + 0x%x)\n", b"\treturn %s[%s] & ~%s; // %d\n",
        b"static struct %s *%s(int %s[%d]) {\n", b'\tprintk("%s %s", %s, %dUL);\n',
    )  # fmt: skip
    with path.open("wb") as stream:
        while stream.tell() < size:
            words = _words(rng, 300_000, max(size // 500, 1000))
            words[:, -1] = 32
            names = words[words != 0].tobytes().split()
            numbers = np.exp(rng.random(100_000) * 9).astype(int).tolist()
            which = rng.integers(0, len(kinds), 100_000).tolist()
            rows = zip(which, names[::3], names[1::3], names[2::3], numbers, strict=True)
            stream.write(b"".join([kinds[kind] % (a, b, c, n) for kind, a, b, c, n in rows]))


def genome(path: Path, size: int) -> None:
    """Random bases; a third of them are copies of earlier stretches, as repeats are."""
    bases = _genome(size)
    with path.open("wb") as stream:
        stream.write(b">chr1\n")
        for start in range(0, size, 80):
            stream.write(bases[start : start + 80].tobytes() + b"\n")


def _genome(size: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(2)
    bases = _BASES[rng.integers(0, 4, size, dtype=np.uint8)]
    for start in range(0, size - 20_000, 30_000):
        source = int(rng.integers(0, start + 1))
        bases[start : start + 10_000] = bases[source : source + 10_000].copy()
    return bases


def reads(path: Path, size: int) -> None:
    """Reads of 150 bases of a genome, each base 20 times, half a percent of the bases wrong."""
    rng = np.random.default_rng(3)
    genome = np.searchsorted(_BASES, _genome(max(size // 20, 10_000))).astype(np.uint8)
    written = 0
    with path.open("wb") as stream:
        while written < size:
            starts = rng.integers(0, len(genome) - _READ, 50_000)
            codes = genome[starts[:, None] + np.arange(_READ)]
            wrong = rng.random(codes.shape, dtype=np.float32) < 0.005
            codes[wrong] = (codes[wrong] + 1) & 3
            flip = rng.random(len(codes)) < 0.5
            codes[flip] = 3 - codes[flip][:, ::-1]
            letters = _BASES[codes]
            rows = enumerate(letters, written // _READ)
            stream.write(b"".join([b">r%d\n%s\n" % (n, row.tobytes()) for n, row in rows]))
            written += letters.size
