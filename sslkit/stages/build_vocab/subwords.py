"""build-vocab --subword: from the counts of words to a table of subwords and a tokenizer file.

The story: the most frequent words are learned from; then all words are cut into what was learned,
which gives the exact count of every subword; the subwords are put into the order of every
vocabulary, count descending, then token; and the table is written, which holds the checksum of the
file for the tokenizers library, then that file. That library cuts raw text as the domain does, and
drops what the domain does not count; tokens of code, which no pattern finds in raw text, it takes
with spaces between them.
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

#: Rows of a table where --max-size does not say.
SIZE = 8000
_METHODS = {"bpe": bpe, "unigram": unigram}


def check(settings: Any, scheme: Scheme, plan: Plan, out: Path) -> None:
    """Refuse at once what could not be done at the end.

    Raises:
        UsageError: an option does not fit, or another file stands where the tokenizer would be.
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
    beside = tokenizer.path_of(out)
    if os.path.lexists(beside) and not _has_tokenizer(out):
        raise UsageError(
            f"{beside} would be overwritten",
            why=f"{out} does not speak of it, so sslkit did not write it",
            do="write elsewhere with --out, or move it away",
        )


def _has_tokenizer(out: Path) -> bool:
    """Whether a vocabulary is there that speaks of a tokenizer file."""
    written = kinds.is_of(out, kinds.VOCABULARY)
    return written and reading.stated(out).results.get("tokenizer_sha256") is not None


@contextmanager
def without_tokenizer(out: Path) -> Iterator[None]:
    """Remove the tokenizer file of a vocabulary that the block replaces by one without."""
    is_stale = _has_tokenizer(out)
    yield
    if is_stale:
        tokenizer.path_of(out).unlink(missing_ok=True)


def write(
    out: Path, finish: Finish, scheme: Strings, stated: Manifest, check: Callable[[], None]
) -> dict[str, Any]:
    """Learn, count and write.

    Args:
        finish: all words, sorted.
        stated: the manifest; its results are those of the words.
        check: called now and then; may end the work.

    Returns:
        the results that the manifest got.
    """
    settings = stated.settings
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
    met = next(finish.rows(finish.cut(1, None), scheme, check))[1].tolist() if special else []
    rows = _ordered(method, counts, dict(zip(special, met, strict=False)))
    table = _table(method, rows, len(special))
    assert table.spelling is not None
    text = tokenizer.text(table.tokens, table.spelling, scheme.pattern)
    results = {
        **stated.results,
        "size": len(rows),
        "subwords": int(counts.sum()),
        "learned_words": len(learned.counts),
        "learned_share": round(int(learned.counts.sum()) / finish.total, 9),
        "tokenizer_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    if _has_tokenizer(out):
        # A file that is there is then always the one that the table speaks of.
        tokenizer.path_of(out).unlink(missing_ok=True)
    vocabulary.save(out, table, dataclasses.replace(stated, results=results).to_json())
    atomic.write_text(tokenizer.path_of(out), text)
    return results


def _table(method: subwords.Method, rows: dict[str, int], special: int) -> vocabulary.Vocabulary:
    """The table of names and counts in order of id, with how words are spelled in the names."""
    number = {name: place for place, name in enumerate(rows)}
    ids = np.array([number[subwords.spell(piece)] for piece in method.pieces])
    counts = np.array(list(rows.values()), np.int64)
    return vocabulary.Vocabulary(list(rows), counts, method.spelling(ids, len(rows), special))


def _ordered(method: subwords.Method, counts: Counts, special: dict[str, int]) -> dict[str, int]:
    """Names and counts: special tokens, one of which may be a subword too, then by count."""
    held = dict(zip(map(subwords.spell, method.pieces), counts.tolist(), strict=True))
    first = {token: count + held.pop(token, 0) for token, count in special.items()}
    rest = sorted(held.items(), key=lambda row: (-row[1], row[0].encode()))
    return first | dict(rest)
