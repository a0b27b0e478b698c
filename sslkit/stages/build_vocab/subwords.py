"""build-vocab --subword: from the counts of words to a table of subwords and a tokenizer file.

Subwords are learned from the most frequent words; then all words are cut into subwords, which gives
the exact count of each; the subwords are put into the order of every vocabulary (count descending,
then token) and written, with the checksum of the tokenizer file, then the tokenizer file itself.
With that file the tokenizers library cuts raw text as the domain does, and drops what the domain
does not count; tokens of code, which no pattern matches in raw text, it takes separated by spaces.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sslkit.artifacts import kinds
from sslkit.artifacts.manifest import Manifest
from sslkit.errors import ResourceError, UsageError
from sslkit.files import atomic
from sslkit.machine import sizes
from sslkit.vocab import reading, vocabulary
from sslkit.vocab.budget import Plan
from sslkit.vocab.external_sort.finish import Finish
from sslkit.vocab.scheme import Kmers, Scheme, Strings
from sslkit.vocab.subwords import bpe, subwords, tokenizer, unigram
from sslkit.vocab.subwords.subwords import Counts

#: Rows of a table without --max-size.
SIZE = 8000
_METHODS = {"bpe": bpe, "unigram": unigram}


def check(settings: Any, scheme: Scheme, plan: Plan, out: Path) -> None:
    """Refuse at once what could not be done at the end.

    Raises:
        UsageError: an option does not fit, or another file is where the tokenizer file would be.
        ResourceError: ``--mem`` is too small.
    """
    name = settings.get("subword")
    if name is None:
        return
    if isinstance(scheme, Kmers):
        raise UsageError("--subword is for words", why="k-mers are all of one length")
    size = settings["max_size"] or SIZE
    least = len(subwords.ALPHABET) + len(settings["special"])
    if size < least:
        raise UsageError(
            f"--max-size {size} is too small for --subword",
            why=f"the bytes and the special tokens are {least} tokens already",
        )
    needed = _METHODS[name].memory(size) - plan.counts
    if needed > 0:
        raise ResourceError(
            f"--mem {sizes.show(plan.total)} is too little to learn {size} subwords",
            do=f"allow at least {sizes.show(plan.total + needed)}",
        )
    path = tokenizer.path_of(out)
    if os.path.lexists(path) and not _has_tokenizer(out):
        raise UsageError(
            f"{path} would be overwritten",
            why=f"the manifest of {out} does not name it, so sslkit did not write it",
            do="write elsewhere with --out, or move it away",
        )


def _has_tokenizer(out: Path) -> bool:
    """Whether ``out`` is a vocabulary whose manifest names a tokenizer file."""
    is_vocabulary = kinds.is_of(out, kinds.VOCABULARY)
    return is_vocabulary and reading.stated(out).results.get("tokenizer_sha256") is not None


@contextmanager
def without_tokenizer(out: Path) -> Iterator[None]:
    """Remove the tokenizer file of ``out`` when the block has written a vocabulary without one."""
    is_stale = _has_tokenizer(out)
    yield
    if is_stale:
        tokenizer.path_of(out).unlink(missing_ok=True)


def write(
    out: Path, finish: Finish, scheme: Strings, manifest: Manifest, check: Callable[[], None]
) -> dict[str, Any]:
    """Learn subwords, count them, and write table and tokenizer file.

    Args:
        finish: all words, sorted.
        manifest: its results are those of the words.
        check: called regularly; raises where the work should end.

    Returns:
        the results of the manifest.
    """
    settings = manifest.settings
    special = settings["special"]

    def words() -> Iterator[tuple[Any, Counts]]:
        rows = finish.rows(finish.cut(1, None), scheme, check)
        return islice(rows, 1, None) if special else rows

    chosen = _METHODS[settings["subword"]]
    learned = subwords.most_frequent(words(), chosen.LEARNED)
    method = chosen.learn(
        learned, (settings["max_size"] or SIZE) - len(special), settings["min_count"], check
    )
    counts = subwords.count(words(), method, check)
    special_counts = (
        next(finish.rows(finish.cut(1, None), scheme, check))[1].tolist() if special else []
    )
    rows = _ordered(method, counts, dict(zip(special, special_counts, strict=False)))
    table = _table(method, rows, len(special))
    assert table.spelling is not None
    text = tokenizer.text(table.tokens, table.spelling, scheme.pattern)
    results = {
        **manifest.results,
        "size": len(rows),
        "subwords": int(counts.sum()),
        "learned_words": len(learned.counts),
        "learned_share": round(int(learned.counts.sum()) / finish.total, 9),
        "tokenizer_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    if _has_tokenizer(out):
        # A tokenizer file is then always that of the table beside it.
        tokenizer.path_of(out).unlink(missing_ok=True)
    vocabulary.save(out, table, dataclasses.replace(manifest, results=results).to_json())
    atomic.write_text(tokenizer.path_of(out), text)
    return results


def _table(method: subwords.Method, rows: dict[str, int], special: int) -> vocabulary.Vocabulary:
    """The table of names and counts in order of id, with the spelling of words in these names."""
    id_of = {name: number for number, name in enumerate(rows)}
    ids = np.array([id_of[subwords.spell(piece)] for piece in method.pieces])
    counts = np.array(list(rows.values()), np.int64)
    return vocabulary.Vocabulary(list(rows), counts, method.spelling(ids, len(rows), special))


def _ordered(method: subwords.Method, counts: Counts, special: dict[str, int]) -> dict[str, int]:
    """Names and counts: special tokens, one of which may be a subword too, then by count."""
    pieces = dict(zip(map(subwords.spell, method.pieces), counts.tolist(), strict=True))
    first = {token: count + pieces.pop(token, 0) for token, count in special.items()}
    rest = sorted(pieces.items(), key=lambda row: (-row[1], row[0].encode()))
    return first | dict(rest)
