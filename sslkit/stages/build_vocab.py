"""build-vocab: count every token of a corpus exactly and write vocab.parquet.

The story: find the files and what kind of corpus they are; the domain says how its bytes become
tokens; every file is read once, block by block, and its tokens are counted within the budget;
the counts come back in token order, are put into the order of the vocabulary, and are written.
"""

import dataclasses
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from sslkit import catalog, sizes
from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console, Progress, human
from sslkit.engine.signals import Stop, stopping
from sslkit.errors import DataError, ResourceError, UsageError
from sslkit.files import atomic, source
from sslkit.options import Common
from sslkit.vocab import kmers, pack, vocabulary
from sslkit.vocab.order import ByCount
from sslkit.vocab.scheme import Kmers, LetterReader

NAME = "vocab.parquet"
_BLOCK = 1 << 20
#: What the process takes besides the counts: interpreter, libraries, blocks, the table's writer.
_BASE = 176 << 20
_MOST = 512 << 20
_TABLE = 80 << 20
_ORDER_ROW_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What `sslkit build-vocab` takes."""

    corpus: list[Path]
    domain: str | None
    k: int | None
    mem: str


@dataclass
class _Tally:
    """What was met on the way."""

    records: int = 0
    letters: int = 0
    windows: int = 0
    bad_records: int = 0


def run(options: Options, console: Console) -> None:
    """Count a corpus.

    Raises:
        UsageError: nothing to read, or a vocabulary made with other settings is in the way.
        DataError: a file that cannot be used.
        ResourceError: ``--mem`` is too small, or the disk is full.
    """
    memory = sizes.parse(options.mem)
    out = options.out or Path(NAME)
    name, files = recognise(options.corpus, options.domain)
    module = catalog.load("domain", name)
    settings = _settings(options, name, module)
    made = manifest.make(
        "build-vocab",
        {"on_error": options.on_error},
        plugins={"domain": manifest.plugin(name, module, settings)},
        inputs=manifest.describe(files),
    )
    shape = ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(settings).items())
    console.say(f"reads {_number(len(files), 'file')} of {name} ({shape})")
    if not options.force and _finished(out, made, console):
        return
    with stopping() as stop, _scratch() as folder:
        scheme: Kmers = module.counting(settings)
        counter = kmers.Counter(scheme.k, _for_counts(memory, scheme.k), folder)
        tally = _count(files, scheme, counter, options, console, stop)
        order = ByCount(folder, _for_counts(memory, 0) // _ORDER_ROW_BYTES)
        for keys, counts in counter.result():
            stop.check("nothing was written")
            order.add(keys, counts)
        results = _results(files, scheme, tally, order)
        _write(out, scheme, order, dataclasses.replace(made, results=results), stop)
    peak = _peak()
    console.say(
        f"{human(results['tokens'])} tokens, {human(results['distinct'])} distinct, "
        f"{human(results['skipped_windows'])} windows skipped for ambiguous letters"
    )
    console.say(f"memory: {sizes.show(peak)} at the peak, {sizes.show(memory)} allowed")
    console.say(f"wrote {out}")
    console.result({"vocab": str(out), **results, "peak_bytes": peak, "memory_bytes": memory})


def recognise(paths: list[Path], domain: str | None) -> tuple[str, list[Path]]:
    """The kind of a corpus and its files.

    Raises:
        UsageError: nothing found, or several kinds.
    """
    endings = {
        name: tuple(getattr(catalog.load("domain", name), "ENDINGS", ()))
        for name in ([domain] if domain else catalog.names("domain"))
    }
    files = source.find(paths, tuple(sorted({end for ends in endings.values() for end in ends})))
    if domain:
        return domain, files
    kinds = Counter(
        name
        for path in files
        for name, ends in endings.items()
        if source.plain_name(path).lower().endswith(ends)
    )
    if len(kinds) == 1 and sum(kinds.values()) == len(files):
        return next(iter(kinds)), files
    found = ", ".join(f"{_number(count, 'file')} of {kind}" for kind, count in kinds.most_common())
    raise UsageError(
        "the kind of the corpus is not plain from its files",
        why=found or f"no known ending, as in {files[0]}",
        do=f"name it with --domain; there is: {', '.join(endings)}",
    )


def _settings(options: Options, name: str, module: ModuleType) -> Any:
    given = {} if options.k is None else {"k": options.k}
    pairs = catalog.parse_pairs(options.set)
    return catalog.settings({name: module}, pairs, {name: given})[name]


def _finished(out: Path, made: Manifest, console: Console) -> bool:
    """Whether ``out`` holds just what would be made.

    Raises:
        UsageError: it holds something else.
    """
    if not out.exists():
        return False
    _, text = vocabulary.load(out)
    old = manifest.from_json(text, str(out))
    for part in ("stage", "settings", "plugins", "inputs"):
        before, now = getattr(old, part), getattr(made, part)
        if before != now or source.STDIN in [Path(held.path) for held in made.inputs]:
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


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _for_counts(memory: int, k: int) -> int:
    """Bytes for counts.

    Raises:
        ResourceError: nothing is left for them.
    """
    left = memory - _BASE
    needed = _TABLE if k == kmers.TABLE_K else 16 << 20
    if left < needed:
        raise ResourceError(
            f"--mem {sizes.show(memory)} is too little",
            why=f"the program itself takes {sizes.show(_BASE)} of it",
            do=f"allow at least {sizes.show(_BASE + needed)}",
        )
    return min(left, _MOST)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for temporary files that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sslkit-vocab-", dir=atomic.scratch()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _count(
    files: list[Path],
    scheme: Kmers,
    counter: kmers.Counter,
    options: Options,
    console: Console,
    stop: Stop,
) -> _Tally:
    tally = _Tally()
    plain = all(source.plain_name(path) == path.name for path in files if path != source.STDIN)
    known = plain and source.STDIN not in files
    total = sum(path.stat().st_size for path in files) if known else None
    with console.progress("count", total, "bytes") as progress:
        for path in files:
            bad: set[int] = set()
            if options.on_error == "skip":
                survey = scheme.reader(str(path), bad=bad)
                for block in _blocks(path, stop, None):
                    survey.feed(block)
                survey.finish()
            reader = scheme.reader(str(path), skip=bad)
            for block in _blocks(path, stop, progress):
                counter.add(reader.feed(block))
                if counter.spilled:
                    progress.note = f"{counter.spilled} runs"
            counter.add(reader.finish())
            counter.end()
            _add(tally, reader, len(bad))
    if tally.bad_records:
        console.warn(f"{tally.bad_records} bad records were passed over")
    return tally


def _blocks(path: Path, stop: Stop, progress: Progress | None) -> Iterator[bytes]:
    with source.open_bytes(path) as stream:
        while block := stream.read(_BLOCK):
            stop.check("nothing was written")
            yield block
            if progress:
                progress.advance(len(block))


def _add(tally: _Tally, reader: LetterReader, bad: int) -> None:
    tally.records += reader.records
    tally.letters += reader.letters
    tally.windows += reader.windows
    tally.bad_records += bad


def _results(files: list[Path], scheme: Kmers, tally: _Tally, order: ByCount) -> dict[str, Any]:
    if not order.rows:
        raise DataError(
            "the corpus holds no token",
            where=f"{files[0]}, record 1, and all others",
            why=f"no record has {scheme.k} letters in a row that are not ambiguous",
            do="use a smaller --k, or another corpus",
        )
    return {
        "files": len(files),
        "records": tally.records,
        "bad_records": tally.bad_records,
        "letters": tally.letters,
        "tokens": order.total,
        "distinct": order.rows,
        "skipped_windows": tally.windows - order.total,
    }


def _write(out: Path, scheme: Kmers, order: ByCount, made: Manifest, stop: Stop) -> None:
    def pieces() -> Iterator[tuple[Any, Any]]:
        for keys, counts in order.result():
            for start in range(0, len(keys), vocabulary.ROW_GROUP):
                stop.check("nothing was written")
                end = start + vocabulary.ROW_GROUP
                yield _tokens(keys[start:end], scheme), counts[start:end]

    vocabulary.write(out, pieces(), made.to_json())


def _tokens(keys: Any, scheme: Kmers) -> Any:
    """k-mers as Arrow strings."""
    letters = pack.spell(keys, scheme.k, scheme.letters)
    ends = np.arange(0, letters.size + 1, scheme.k, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.string(), len(keys), buffers)


def _peak() -> int:
    """The largest resident memory of the process so far, in bytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
