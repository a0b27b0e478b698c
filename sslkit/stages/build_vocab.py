"""build-vocab: count every token of a corpus exactly and write vocab.parquet.

The story: find the files and what kind of corpus they are; the domain says how its bytes become
tokens; every file is read once, block by block, and its tokens are counted within the budget;
the counts come back in token order, are put into the order of the vocabulary, and are written.
What was counted lies in spills in a folder for temporary files, so that the same command goes on
there after a signal or a crash.
"""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sslkit import catalog, sizes
from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console, human
from sslkit.engine.signals import Stop, stopping
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic, source
from sslkit.options import Common
from sslkit.vocab import budget, combine, counting, vocabulary
from sslkit.vocab.budget import Plan
from sslkit.vocab.finish import Cut, Finish
from sslkit.vocab.runs import Spill
from sslkit.vocab.scheme import Kmers, Scheme
from sslkit.vocab.workplace import workplace

NAME = "vocab.parquet"


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What `sslkit build-vocab` takes.

    Attributes:
        corpus: files, folders, globs, ``-``.
        domain: None recognises it from the files.
        k: letters per token where the domain has such a setting; None is its default.
        mem: peak memory, as "4G".
        special: tokens that get the first ids.
        tmp: where the folder for temporary files is made.
    """

    corpus: list[Path]
    domain: str | None
    k: int | None
    canonical: bool
    mem: str
    min_count: int
    max_size: int | None
    special: list[str] | None
    tmp: Path | None


def run(options: Options, console: Console) -> None:
    """Count a corpus.

    Raises:
        UsageError: nothing to read, or a vocabulary made with other settings is in the way.
        DataError: a file that cannot be used.
        ResourceError: ``--mem`` is too small, or the disk is full.
        RequeueError: a signal came; the same command goes on.
    """
    plan = budget.plan(sizes.parse(options.mem))
    out = options.out or Path(NAME)
    name, files = recognise(options.corpus, options.domain)
    module = catalog.load("domain", name)
    settings = domain_settings(options, name, module)
    scheme = _scheme(options, name, module, settings)
    made = manifest.make(
        "build-vocab",
        _decisive(options),
        plugins={"domain": manifest.plugin(name, module, settings)},
    )
    console.say(f"reads {_number(len(files), 'file')} of {name} ({_shown(settings)})")
    if out.exists() and not options.force and _finished(out, made, files, console):
        return
    before = _stats(files)
    with stopping() as stop, _place(options, made, before, out) as folder:
        spills, tally = _count(options, files, scheme, plan, folder, console, stop)
        finish = Finish(*combine.stream(_reduced(spills, folder, plan, stop), plan.counts),
                        folder, plan.counts, options.special or [])  # fmt: skip
        finish.sort(lambda: stop.check(f"the counts are in {folder}"))
        if not finish.total:
            raise _nothing(files, scheme)
        cut = finish.cut(options.min_count, options.max_size)
        inputs = manifest.describe(files)
        if _stats(files) != before:
            raise DataError("the corpus changed while it was read", do="start again")
        results = _results(files, tally, finish, cut)
        made = dataclasses.replace(made, inputs=inputs, results=results)
        vocabulary.write(
            out, finish.rows(cut, scheme, lambda: stop.check("nothing was lost")), made.to_json()
        )
    _tell(out, results, plan, console)


def recognise(paths: list[Path], domain: str | None) -> tuple[str, list[Path]]:
    """The kind of a corpus and its files.

    Raises:
        UsageError: nothing found, or several kinds.
    """
    modules = {
        name: catalog.load("domain", name)
        for name in ([domain] if domain else catalog.names("domain"))
    }
    endings = {name: tuple(getattr(found, "ENDINGS", ())) for name, found in modules.items()}
    files = source.find(paths, tuple(sorted({end for ends in endings.values() for end in ends})))
    if domain:
        return domain, files
    kinds: dict[str, list[Path]] = {}
    for path in files:
        for name, ends in endings.items():
            if source.plain_name(path).lower().endswith(ends):
                kinds.setdefault(name, []).append(path)
    special = [name for name in kinds if not getattr(modules[name], "COMMON", False)]
    chosen = special or list(kinds)
    named = {path for path in map(Path, paths) if path.is_file()}
    if len(chosen) == 1 and named <= set(kinds[chosen[0]]):
        return chosen[0], kinds[chosen[0]]
    found = ", ".join(f"{_number(len(held), 'file')} of {kind}" for kind, held in kinds.items())
    raise UsageError(
        "the kind of the corpus is not plain from its files",
        why=found or f"no known ending, as in {files[0]}",
        do=f"name it with --domain; there is: {', '.join(endings)}",
    )


def domain_settings(options: Options, name: str, module: ModuleType) -> Any:
    """The domain's settings.

    Raises:
        UsageError: a setting it does not have, or cannot have this value.
    """
    known = {field.name for field in dataclasses.fields(module.Settings)}
    if options.k is not None and "k" not in known:
        raise UsageError(f"tokens of {name} have no --k", do="leave it out")
    given = {} if options.k is None else {"k": options.k}
    return catalog.settings({name: module}, catalog.parse_pairs(options.set), {name: given})[name]


def _scheme(options: Options, name: str, module: ModuleType, settings: Any) -> Scheme:
    if not hasattr(module, "counting"):
        raise UsageError(f"{name} needs no vocabulary", do="go on with sslkit pretrain")
    scheme: Scheme = module.counting(settings, options.on_error)
    if isinstance(scheme, Kmers) and options.special:
        raise UsageError("--special is for tokens of text", why=f"{name} has k-mers only")
    if options.canonical and not isinstance(scheme, Kmers):
        raise UsageError(f"tokens of {name} have no reverse complement", do="drop --canonical")
    return scheme


def _decisive(options: Options) -> dict[str, Any]:
    """The options that decide what is written, and not only how."""
    return {
        "canonical": options.canonical,
        "max_size": options.max_size,
        "min_count": options.min_count,
        "on_error": options.on_error,
        "special": options.special or [],
    }


def _finished(out: Path, made: Manifest, files: list[Path], console: Console) -> bool:
    """Whether ``out`` holds just what would be made.

    Raises:
        UsageError: it holds something else.
    """
    made = dataclasses.replace(made, inputs=manifest.describe(files))
    _, text = vocabulary.load(out)
    old = manifest.from_json(text, str(out))
    for part in ("stage", "settings", "plugins", "inputs"):
        before, now = getattr(old, part), getattr(made, part)
        if before != now or source.STDIN in files:
            raise UsageError(
                f"{out} was made otherwise",
                why=_difference(part, before, now),
                do="write elsewhere with -o, or overwrite it with --force",
            )
    console.say(f"{out} is finished already; nothing to do")
    console.result({"vocab": str(out), **old.results})
    return True


def _difference(part: str, before: Any, now: Any) -> str:
    if part == "inputs":
        old, new = ({held.path: held for held in side} for side in (before, now))
        for path in sorted({*old, *new}):
            if old.get(path) != new.get(path):
                state = "is new" if path not in old else "is gone" if path not in new else "changed"
                return f"the corpus differs: {path} {state}"
        return "the order of the files differs, or they come from standard input"
    if part == "plugins":
        old, new = before["domain"], now["domain"]
        if old["name"] != new["name"]:
            return f"its domain is {old['name']}, not {new['name']}"
        before, now = old["settings"], new["settings"]
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                return f"its {key} is {before.get(key)}, not {now.get(key)}"
    return f"its {part} is {before}, not {now}"


@contextmanager
def _place(options: Options, made: Manifest, stats: list[Any], out: Path) -> Iterator[Path]:
    """The folder for temporary files: the same one for the same work."""
    what = [json.loads(made.to_json()), stats, str(out.absolute())]
    if any(stat[1] is None for stat in stats):
        what.append(f"standard input of process {os.getpid()}")
    with workplace(options.tmp or atomic.scratch(), what) as folder:
        yield folder


def _stats(files: list[Path]) -> list[Any]:
    """Path, size and time of change of each file; standard input has none."""
    found = []
    for path in files:
        stat = path.stat() if path != source.STDIN else None
        found.append([str(path.absolute()), stat and stat.st_size, stat and stat.st_mtime_ns])
    return found


def _count(
    options: Options,
    files: list[Path],
    scheme: Scheme,
    plan: Plan,
    folder: Path,
    console: Console,
    stop: Stop,
) -> tuple[list[Spill], Counter[str]]:
    plain = source.STDIN not in files and all(source.plain_name(f) == f.name for f in files)
    total = sum(path.stat().st_size for path in files) if plain else None
    store = counting.store_for(scheme, options.canonical, plan.counts)
    with console.progress("count", total, "bytes") as progress:
        watch = counting.Watch(lambda: bool(stop), progress.advance)
        held = counting.Files(files, source.open_bytes, options.on_error == "skip")
        count = counting.Count(scheme, store, held, folder, watch)
        if count.spills:
            console.say(f"goes on after {_number(len(count.spills), 'run')} in {folder}")
        try:
            count.run()
        except counting.StoppedError:
            stop.check(f"{_number(len(count.spills), 'run')} in {folder}")
    if bad := count.tally["bad_records"]:
        console.warn(f"{_number(bad, 'bad record')} passed over")
    return count.spills, count.tally


def _reduced(spills: list[Spill], folder: Path, plan: Plan, stop: Stop) -> list[Spill]:
    return combine.reduce(
        spills, folder, plan.counts, lambda: stop.check(f"the counts are in {folder}")
    )


def _nothing(files: list[Path], scheme: Scheme) -> DataError:
    why = (
        f"no record has {scheme.k} letters in a row that are not ambiguous"
        if isinstance(scheme, Kmers)
        else "it is empty, or holds only what separates tokens"
    )
    others = f", and {_number(len(files) - 1, 'other file')}" if len(files) > 1 else ""
    return DataError(
        "the corpus holds no token",
        where=f"{files[0]}, record 1{others}",
        why=why,
        do="use another corpus" + (", or a smaller --k" if isinstance(scheme, Kmers) else ""),
    )


def _results(files: list[Path], tally: Counter[str], finish: Finish, cut: Cut) -> dict[str, Any]:
    met = dict(tally)
    if "windows" in met:
        met["skipped_windows"] = met.pop("windows") - finish.total
    return {
        "files": len(files),
        "tokens": finish.total,
        "distinct": finish.distinct,
        "size": cut.size,
        "cut_distinct": finish.distinct - cut.counted,
        "cut_tokens": finish.total - cut.tokens,
        "cut_share": round(1 - cut.tokens / finish.total, 9),
        **dict(sorted(met.items())),
    }


def _tell(out: Path, results: dict[str, Any], plan: Plan, console: Console) -> None:
    said = f"{human(results['tokens'])} tokens, {human(results['distinct'])} distinct"
    for key, words in (
        ("skipped_windows", "windows skipped for ambiguous letters"),
        ("invalid_bytes", "bytes skipped that are not UTF-8"),
        ("too_long_tokens", "tokens skipped that are too long"),
    ):
        if key in results:
            said += f", {human(results[key])} {words}"
    console.say(said)
    if results["cut_distinct"]:
        console.say(
            f"cut: {human(results['cut_distinct'])} distinct tokens, "
            f"{results['cut_share']:.2%} of the corpus"
        )
    peak = budget.peak()
    console.say(
        f"memory: {sizes.show(plan.planned)} planned, {sizes.show(peak)} at the peak, "
        f"{sizes.show(plan.total)} allowed"
    )
    console.say(f"wrote {out} ({human(results['size'])} tokens)")
    console.result({"vocab": str(out), **results, "peak_bytes": peak, "memory_bytes": plan.total})


def _shown(settings: Any) -> str:
    values = dataclasses.asdict(settings)
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
