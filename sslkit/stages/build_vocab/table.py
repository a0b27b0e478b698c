"""The end of build-vocab and merge-vocab: the table is written from the spills, and reported."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslkit.artifacts.manifest import Input, Manifest
from sslkit.console import Console, human, plural
from sslkit.errors import DataError, UsageError
from sslkit.machine import sizes
from sslkit.stages.build_vocab import plot as vocab_plot
from sslkit.stages.build_vocab import subwords
from sslkit.vocab import budget, reading, vocabulary
from sslkit.vocab.budget import Plan
from sslkit.vocab.contents import names_and_hashes
from sslkit.vocab.external_sort import combine
from sslkit.vocab.external_sort.finish import Cut, Finish
from sslkit.vocab.external_sort.runs import Spill
from sslkit.vocab.scheme import Kmers, Scheme, Strings
from sslkit.vocab.subwords import tokenizer


def is_finished(
    out: Path,
    expected: Manifest,
    console: Console,
    plot: bool,
    left_out: dict[str, int] | None = None,
) -> bool:
    """Whether ``out`` is the vocabulary that would be written; then report it, with ``plot`` drawn.

    A vocabulary whose tokenizer file is missing is not finished.

    Args:
        left_out: number of files that are not read, by reason, where that is known.

    Raises:
        UsageError: ``out`` was made of another corpus or with other settings.
    """
    existing = reading.stated(out)
    why = ""
    if existing.stage != expected.stage:
        why = f"by {existing.stage}"
    elif differences := _differences(_identity(existing), _identity(expected)):
        why = "; ".join(differences)
    elif names_and_hashes(existing.inputs) != names_and_hashes(expected.inputs):
        why = _changed(existing.inputs, expected.inputs)
    elif not tokenizer.is_whole(out, existing):
        tokenizer_file = tokenizer.path_of(out)
        if not tokenizer_file.exists():
            return False
        why = f"{tokenizer_file} does not belong to it"
    elif not all(entry.sha256 for entry in expected.inputs):
        why = "the corpus comes through a pipe, so it may be another one"
    if why:
        raise UsageError(
            f"{out} was made otherwise",
            why=why,
            do="write elsewhere with -o, or overwrite it with --force",
        )
    console.say(f"{out} is finished already; nothing to do")
    drawn, text = vocab_plot.draw(out, console) if plot else ({}, "")
    more = {} if left_out is None else {"left_out": left_out}
    console.result({"vocab": str(out), **existing.results, **drawn, **more}, text)
    return True


def _identity(manifest: Manifest) -> dict[str, Any]:
    domain = manifest.plugins["domain"]
    return {
        "domain": domain["name"],
        "version": domain["version"],
        **domain["settings"],
        **manifest.settings,
    }


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"its {name} is {before.get(name)}, not {now.get(name)}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _changed(before: tuple[Input, ...], now: tuple[Input, ...]) -> str:
    old, new = (dict(names_and_hashes(side)) for side in (before, now))
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            state = "is new" if path not in old else "is gone" if path not in new else "changed"
            return f"the corpus differs: {path} {state}"
    return "the order of the files differs"


@dataclasses.dataclass(frozen=True)
class Work:
    """What is to be written, and within which bounds.

    Attributes:
        threads: how many may work at once.
        check: called regularly; raises where the work should end.
    """

    out: Path
    scheme: Scheme
    folder: Path
    plan: Plan
    threads: int
    check: Callable[[], None]


def write(
    work: Work, spills: list[Spill], tally: Counter[str], manifest_of_all: Callable[[], Manifest]
) -> dict[str, Any]:
    """Merge, order, cut and write.

    Args:
        tally: counts of bad records, empty files and the like.
        manifest_of_all: the manifest without results; called when all files have been read.

    Returns:
        the results of the manifest.

    Raises:
        DataError: the corpus has no token.
    """
    # A third is left for what merging and ordering hold at the same time, and for fragmentation.
    memory = work.plan.counts * 2 // 3
    spills = combine.reduce(spills, work.folder, memory, work.check)
    manifest = manifest_of_all()
    settings = manifest.settings
    kind, streams = combine.streams(spills, memory, work.threads)
    finish = Finish(kind, streams, work.folder, memory, settings["special"])
    finish.sort(work.check)
    if not finish.total:
        raise _no_token([Path(entry.path) for entry in manifest.inputs], work.scheme)
    if isinstance(work.scheme, Strings) and settings.get("subword"):
        words = _results(len(manifest.inputs), tally, finish, finish.cut(1, None))
        manifest = dataclasses.replace(manifest, results=words)
        return subwords.write(work.out, finish, work.scheme, manifest, work.check)
    cut = finish.cut(settings["min_count"], settings["max_size"])
    results = _results(len(manifest.inputs), tally, finish, cut)
    text = dataclasses.replace(manifest, results=results).to_json()
    with subwords.without_tokenizer(work.out):
        vocabulary.write(work.out, finish.rows(cut, work.scheme, work.check), text)
    return results


def _no_token(files: list[Path], scheme: Scheme) -> DataError:
    more = f", and {len(files) - 1} more" if len(files) > 1 else ""
    if isinstance(scheme, Kmers):
        return DataError(
            "the corpus holds no token",
            where=f"{files[0]}, record 1{more}",
            why=f"no record has {scheme.k} letters in a row that are not ambiguous",
            do="use another corpus, or a smaller --k",
        )
    return DataError(
        "the corpus holds no token",
        where=f"{files[0]}{more}",
        why="it is empty, or holds only what separates tokens",
        do="use another corpus",
    )


def _results(files: int, tally: Counter[str], finish: Finish, cut: Cut) -> dict[str, Any]:
    counts = dict(tally)
    if "windows" in counts:
        counts["skipped_windows"] = counts.pop("windows") - finish.total
    return {
        "files": files - tally["empty_files"],
        "tokens": finish.total,
        "distinct": finish.distinct,
        "size": cut.size,
        "cut_distinct": finish.distinct - cut.counted,
        "cut_tokens": finish.total - cut.tokens,
        "cut_share": round(1 - cut.tokens / finish.total, 9),
        **dict(sorted(counts.items())),
    }


def report(
    out: Path,
    results: dict[str, Any],
    plan: Plan,
    console: Console,
    plot: bool,
    left_out: dict[str, int] | None = None,
) -> None:
    """Report what was written and the memory that it took; with ``plot`` draw it.

    Args:
        left_out: number of files that were not read, by reason, where that is known.
    """
    summary = f"{human(results['tokens'])} tokens, {human(results['distinct'])} distinct"
    for key, words in (
        ("skipped_windows", "windows skipped for ambiguous letters"),
        ("invalid_bytes", "bytes skipped that are not UTF-8"),
        ("too_long_tokens", "tokens skipped that are too long"),
    ):
        if key in results:
            summary += f", {human(results[key])} {words}"
    console.say(summary)
    if results["cut_distinct"]:
        console.say(
            f"cut: {human(results['cut_distinct'])} distinct tokens, "
            f"{results['cut_share']:.2%} of the corpus"
        )
    if "subwords" in results:
        console.say(
            f"{human(results['subwords'])} subwords, learned from the "
            f"{human(results['learned_words'])} most frequent words, "
            f"{results['learned_share']:.2%} of the corpus"
        )
    if empty := results.get("empty_files"):
        console.warn(f"{plural(empty, 'empty or unreadable file')} passed over")
    if bad := results.get("bad_records"):
        console.warn(f"{human(bad)} bad records were passed over")
    console.say(f"wrote {out} ({human(results['size'])} tokens)")
    if "subwords" in results:
        console.say(f"wrote {tokenizer.path_of(out)} for the tokenizers library")
    drawn, text = vocab_plot.draw(out, console) if plot else ({}, "")
    peak = budget.peak()
    console.say(
        f"memory: {sizes.show(plan.planned)} planned, {sizes.show(peak)} at the peak, "
        f"{sizes.show(plan.total)} allowed"
    )
    measured = {"peak_bytes": peak, "memory_bytes": plan.total}
    more = {} if left_out is None else {"left_out": left_out}
    console.result({"vocab": str(out), **results, **drawn, **measured, **more}, text)
