"""build-vocab: count every token of a corpus exactly and write vocab.parquet.

The story: find the files and what kind of corpus they are; the domain says how its bytes become
tokens; every file is read once, block by block, and its tokens are counted within the budget;
the counts come back in token order, are put into the order of the vocabulary, and are written.
What was counted lies in spills in a folder for temporary files, so that the same command goes on
there after a signal or a crash. With --shard only a share of the corpus is counted, and its spills
are what is written, for merge-vocab.
"""

import dataclasses
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit import catalog
from sslkit.artifacts import destination, kinds, manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console, Progress, plural
from sslkit.data import recognition
from sslkit.engine.signals import Stop, stopping
from sslkit.files import pipes, table
from sslkit.files.columns import Columns
from sslkit.files.folders import Listing
from sslkit.machine import sizes
from sslkit.options import Common, thread_count
from sslkit.stages.build_vocab import dask_engine, subwords
from sslkit.stages.build_vocab import plot as vocab_plot
from sslkit.stages.build_vocab import scheme as vocab_scheme
from sslkit.stages.build_vocab import table as vocab_table
from sslkit.stages.build_vocab.plan import plan_for
from sslkit.vocab import budget, counting, parts, shares, workplace
from sslkit.vocab.budget import Plan
from sslkit.vocab.contents import Contents
from sslkit.vocab.external_sort import combine, runs
from sslkit.vocab.external_sort.runs import Spill
from sslkit.vocab.inputs import Inputs
from sslkit.vocab.scheme import Scheme

NAME = "vocab.parquet"


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What `sslkit build-vocab` takes.

    Attributes:
        corpus: files, folders, globs, ``-``.
        domain: None recognises it from the files.
        k: letters per token where the domain has such a setting; None is its default.
        sequence_column: of tables, that is counted.
        label_column, id_column: of tables, that are none of sequences.
        mem: peak memory, as "4G".
        special: tokens that get the first ids.
        subword: method that learns the tokens from the words; None keeps the words.
        plot: whether to draw the counts.
        engine, scheduler, tasks: whether, where and in how many tasks a Dask cluster counts.
        shard: ``i/n`` counts the i-th of n shares.
        tmp: where the folder for temporary files is made.
        all_files: whether folders are read with what is no corpus.
    """

    corpus: list[Path]
    domain: str | None
    k: int | None
    sequence_column: str | None
    label_column: str | None
    id_column: str | None
    canonical: bool
    mem: str
    min_count: int
    max_size: int | None
    special: list[str] | None
    subword: str | None
    plot: bool
    engine: str
    scheduler: str | None
    tasks: int | None
    shard: str | None
    tmp: Path | None
    all_files: bool


@dataclass(frozen=True)
class _Job:
    """What a run is about, resolved."""

    out: Path
    listing: Listing
    scheme: Scheme
    inputs: Inputs
    plan: Plan
    canonical: bool
    shard: tuple[int, int]
    lanes: int
    corpus: Contents

    @property
    def files(self) -> list[Path]:
        """What is counted, in order."""
        return list(self.listing.files)

    @property
    def has_pipe(self) -> bool:
        """Whether some of it can be read once only."""
        return any(map(pipes.is_pipe, self.files))


def run(options: Options, console: Console) -> None:
    """Count a corpus.

    Raises:
        UsageError: nothing to read, or a vocabulary made with other settings is in the way.
        DataError: a file that cannot be used.
        ResourceError: ``--mem`` is too small, or the disk is full.
        RequeueError: a signal came; the same command goes on.
    """
    shard = shares.parse(options.shard)
    out = options.out or Path(NAME if options.shard is None else shares.name(shard))
    kind = kinds.VOCABULARY if options.shard is None else kinds.SHARED
    destination.check(out, kind, options)
    if options.shard is not None and (options.force or not out.exists()):
        shares.check_folders(out)
    vocab_plot.check(options, out, sharded=options.shard is not None)
    plan = budget.plan(sizes.parse(options.mem))
    budget.tighten(plan)
    columns = Columns(options.sequence_column, options.label_column, options.id_column)
    name, listing = recognition.recognise(
        options.corpus,
        options.domain,
        columns,
        all_files=options.all_files,
        on_error=options.on_error,
    )
    files = list(listing.files)
    has_pipe = any(map(pipes.is_pipe, files))
    dask_engine.check(options, files)
    module = catalog.load("domain", name)
    endings = (*recognition.endings(module), *(table.ENDINGS if options.sequence_column else ()))
    destination.check_corpus(out, kind, options.corpus, endings, files)
    settings = vocab_scheme.settings(options.k, options.set, name, module)
    plugins = {"domain": manifest.plugin(name, module, settings)}
    made = manifest.make("build-vocab", _decisive(options), plugins=plugins)
    scheme = vocab_scheme.scheme_of(made, module, settings)
    subwords.check(made.settings, scheme, plan, out)
    inputs = vocab_scheme.inputs_of(scheme, module, columns, options.on_error)
    # What comes from a pipe comes once, and in order.
    threads = 1 if has_pipe else thread_count(options.threads)
    plan, lanes = plan_for(plan.total, scheme, files, threads)
    if plan.compiled:
        console.say("counts with compiled loops")
    corpus = Contents.of(files, [] if options.engine == "dask" else shares.inputs_of(files, shard))
    job = _Job(out, listing, scheme, inputs, plan, options.canonical, shard, lanes, corpus)
    console.say(listing.summary(f"{name} ({vocab_scheme.shown(settings)})"))
    what = [json.loads(made.to_json()), corpus.key, str(out.absolute()), shard]
    spread = dask_engine.Job(out, files, options, what)
    if out.exists() and not options.force and _finished(job, made, options, console):
        workplace.tidy(options.tmp, what)
        dask_engine.tidy(spread)
        return
    with stopping() as stop:
        if options.engine == "dask":
            dask_engine.run(spread, console, stop)
        else:
            _work(job, made, what, options, console, stop)


def _finished(job: _Job, made: Manifest, options: Options, console: Console) -> bool:
    """Whether what is there is what would be made; refuse to go on where it is something else."""
    inputs = job.corpus.inputs(shares.inputs_of(job.files, job.shard))
    stated = dataclasses.replace(made, inputs=inputs)
    if options.shard is None:
        left_out = job.listing.counts()
        return vocab_table.finished(job.out, stated, console, options.plot, left_out)
    shares.check(job.out, stated, job.shard, job.files)
    shares.tidy(job.out)
    console.say(f"{job.out} is finished already; nothing to do")
    return True


def _work(
    job: _Job, made: Manifest, what: list[Any], options: Options, console: Console, stop: Stop
) -> None:
    with workplace.workplace(options.tmp, what, keep=not job.has_pipe) as folder:
        spills, tally = _count(job, folder, console, stop)

        def check() -> None:
            stop.check(f"the counts are in {folder}")

        def stated(files: list[Path]) -> Manifest:
            return dataclasses.replace(made, inputs=job.corpus.inputs(files))

        if options.shard is not None:
            merged = combine.reduce(spills, folder, job.plan.counts, check)
            whole = stated(shares.inputs_of(job.files, job.shard))
            share = shares.Share(whole, job.shard, tally, [str(path) for path in job.files])
            shares.write(job.out, merged, share, job.plan.counts)
            console.say(f"wrote {job.out}; sslkit merge-vocab puts all {job.shard[1]} together")
            console.result({"part": str(job.out), **tally, "left_out": job.listing.counts()})
            return
        work = vocab_table.Work(job.out, job.scheme, folder, job.plan, job.lanes, check)
        results = vocab_table.write(work, spills, tally, lambda: stated(job.files))
    left_out = job.listing.counts()
    vocab_table.tell(job.out, results, job.plan, console, options.plot, left_out)


def _decisive(options: Options) -> dict[str, Any]:
    """The options that decide what is written, and not only how."""
    return {
        "canonical": options.canonical,
        "column": options.sequence_column,
        "max_size": options.max_size,
        "min_count": options.min_count,
        "on_error": options.on_error,
        "special": options.special or [],
        **({"id_column": options.id_column} if options.id_column else {}),
        **({"label_column": options.label_column} if options.label_column else {}),
        **({"subword": options.subword} if options.subword else {}),
        **({"all_files": True} if options.all_files else {}),
    }


def _count(
    job: _Job, folder: Path, console: Console, stop: Stop
) -> tuple[list[Spill], Counter[str]]:
    """Count in as many lanes as there are threads to use, each with its own parts and spills."""
    number, count = job.shard
    divided = [
        parts.divide(job.files, job.inputs.mark, (number - 1) * job.lanes + lane + 1,
                     count * job.lanes)
        for lane in range(job.lanes)
    ]  # fmt: skip
    # Files that cannot be divided leave some lanes empty.
    mine = [held for held in divided if held] or [[]]
    with console.progress("count", _bytes(job, mine), "bytes") as progress:
        failed = threading.Event()
        watch = counting.Watch(lambda: bool(stop) or failed.is_set(), _locked(progress))
        # Another number of lanes divides the corpus in another way.
        names = [f"lane{n}-of-{job.lanes}" for n in range(len(mine))]
        workplace.drop_others(folder, "lane*", kept=names)
        lanes = zip(mine, names, strict=True)
        counts = [_lane(job, held, len(mine), folder / name, watch) for held, name in lanes]
        if kept := sum(len(count.spills) for count in counts):
            console.say(f"goes on after {plural(kept, 'run')} in {folder}")
        with ThreadPoolExecutor(len(counts)) as pool:
            tasks = [pool.submit(_guarded, lane, failed) for lane in counts]
        for error in [error for task in tasks if (error := task.exception())]:
            if not isinstance(error, counting.StoppedError):
                raise error
        kept = sum(len(count.spills) for count in counts)
        stop.check(f"{plural(kept, 'run')} in {folder}")
    tally: Counter[str] = sum((count.tally for count in counts), Counter())
    return [spill for count in counts for spill in count.spills], tally


def _lane(
    job: _Job, mine: list[parts.Part], lanes: int, folder: Path, watch: counting.Watch
) -> counting.Count:
    with runs.explained(folder):
        folder.mkdir(exist_ok=True)
    memory = budget.share(job.plan, lanes)
    threads = job.lanes // lanes
    store = counting.store_for(job.scheme, job.canonical, memory, job.plan.compiled, threads)
    held = counting.Files(mine, job.inputs.open, job.inputs.on_error == "skip")
    return counting.Count(job.scheme, store, held, folder, watch)


def _guarded(lane: counting.Count, failed: threading.Event) -> None:
    """Run a lane; where it fails, the others stop too."""
    try:
        lane.run()
    except BaseException:
        failed.set()
        raise


def _locked(progress: Progress) -> Any:
    lock = threading.Lock()

    def advance(amount: int, note: str) -> None:
        with lock:
            progress.advance(amount, note)

    return advance


def _bytes(job: _Job, mine: list[list[parts.Part]]) -> int | None:
    """Bytes that will be read; None where compression hides how many."""
    if job.has_pipe or not all(job.inputs.mark(path) for path in job.files):
        return None
    return sum(part.bytes for lane in mine for part in lane)
