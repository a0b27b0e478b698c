"""build-vocab: count every token of a corpus exactly and write vocab.parquet.

    sslkit build-vocab corpus/ --domain genome --k 6

The domain says how bytes become tokens; every file is read once, block by block, and its tokens
are counted within the memory budget; the counts are merged in token order, put into the order of
the vocabulary, and written. Counts lie in spills in a folder for temporary files, so that the same
command continues after a signal or a crash. With --shard only a share of the corpus is counted, and
its spills are written for merge-vocab.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit import catalog
from sslkit.artifacts import destination, kinds, manifest
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.data import recognition
from sslkit.engine.signals import Stop, stopping
from sslkit.files import pipes, table
from sslkit.files.columns import Columns
from sslkit.machine import sizes
from sslkit.options import Common, thread_count
from sslkit.stages.build_vocab import count as vocab_count
from sslkit.stages.build_vocab import dask_engine, subwords
from sslkit.stages.build_vocab import plot as vocab_plot
from sslkit.stages.build_vocab import scheme as vocab_scheme
from sslkit.stages.build_vocab import table as vocab_table
from sslkit.stages.build_vocab.count import Job
from sslkit.stages.build_vocab.plan import plan_for
from sslkit.vocab import budget, shares, workplace
from sslkit.vocab.contents import Contents
from sslkit.vocab.external_sort import combine

NAME = "vocab.parquet"


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What `sslkit build-vocab` takes.

    Attributes:
        corpus: files, folders, globs, ``-``.
        domain: None recognises it from the files.
        k: letters per token where the domain has such a setting; None is its default.
        sequence_column: the column of tables that is counted.
        label_column, id_column: columns of tables that hold no sequences.
        mem: peak memory, as "4G".
        special: tokens that get the first ids.
        subword: method that learns the tokens from the words; None keeps the words.
        plot: whether to draw the counts.
        engine: "dask" counts on a cluster, whose address is ``scheduler``, in ``tasks`` tasks.
        shard: ``i/n`` counts the i-th of n shares.
        tmp: where the folder for temporary files is created.
        all_files: whether files of folders that are no corpus are read too.
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


def run(options: Options, console: Console) -> None:
    """Count a corpus; see the command's help.

    Raises:
        UsageError: nothing to read, or a vocabulary of other settings is there.
        DataError: a file cannot be used.
        ResourceError: ``--mem`` is too small, or the disk is full.
        RequeueError: a signal came; the same command continues.
    """
    # ---- Output: refuse at once what could not be written at the end ----
    shard = shares.parse(options.shard)
    out = options.out or Path(NAME if options.shard is None else shares.name(shard))
    kind = kinds.VOCABULARY if options.shard is None else kinds.SHARED
    _check_output(out, kind, options)
    plan = budget.plan(sizes.parse(options.mem))
    budget.tighten(plan)

    # ---- Data: files, and the domain that they are of ----
    columns = Columns(options.sequence_column, options.label_column, options.id_column)
    name, listing = recognition.recognise(
        options.corpus,
        options.domain,
        columns,
        all_files=options.all_files,
        on_error=options.on_error,
    )
    files = list(listing.files)
    dask_engine.check(options, files)
    module = catalog.load("domain", name)
    endings = (*recognition.endings(module), *(table.ENDINGS if options.sequence_column else ()))
    destination.check_corpus(out, kind, options.corpus, endings, files)

    # ---- Tokens: how bytes become tokens, and how these are counted within the budget ----
    settings = vocab_scheme.settings(options.k, options.set, name, module)
    plugins = {"domain": manifest.plugin(name, module, settings)}
    expected = manifest.make("build-vocab", _decisive(options), plugins=plugins)
    scheme = vocab_scheme.scheme_of(expected, module, settings)
    subwords.check(expected.settings, scheme, plan, out)
    inputs = vocab_scheme.inputs_of(scheme, module, columns, options.on_error)
    # What comes from a pipe comes once, and in order.
    threads = 1 if any(map(pipes.is_pipe, files)) else thread_count(options.threads)
    plan, workers = plan_for(plan.total, scheme, files, threads)
    if plan.compiled:
        console.say("counts with compiled loops")
    corpus = Contents.of(files, [] if options.engine == "dask" else shares.inputs_of(files, shard))
    job = Job(out, listing, scheme, inputs, plan, options.canonical, shard, workers, corpus)
    console.say(listing.summary(f"{name} ({vocab_scheme.shown(settings)})"))

    # ---- Counting and writing, unless it is done ----
    identity = [json.loads(expected.to_json()), corpus.key, str(out.absolute()), shard]
    dask_job = dask_engine.Job(out, files, options, identity)
    if out.exists() and not options.force and _is_finished(job, expected, options, console):
        workplace.tidy(options.tmp, identity)
        dask_engine.tidy(dask_job)
        return
    with stopping() as stop:
        if options.engine == "dask":
            dask_engine.run(dask_job, console, stop)
        else:
            _count_and_write(job, expected, identity, options, console, stop)


def _check_output(out: Path, kind: kinds.Kind, options: Options) -> None:
    destination.check(out, kind, options)
    if options.shard is not None and (options.force or not out.exists()):
        shares.check_folders(out)
    vocab_plot.check(options, out, sharded=options.shard is not None)


def _is_finished(job: Job, expected: Manifest, options: Options, console: Console) -> bool:
    """Whether the output is finished already; raise where it is something else."""
    inputs = job.corpus.inputs(shares.inputs_of(job.files, job.shard))
    expected = dataclasses.replace(expected, inputs=inputs)
    if options.shard is None:
        left_out = job.listing.counts()
        return vocab_table.is_finished(job.out, expected, console, options.plot, left_out)
    shares.check(job.out, expected, job.shard, job.files)
    shares.tidy(job.out)
    console.say(f"{job.out} is finished already; nothing to do")
    return True


def _count_and_write(
    job: Job,
    expected: Manifest,
    identity: list[Any],
    options: Options,
    console: Console,
    stop: Stop,
) -> None:
    with workplace.workplace(options.tmp, identity, keep=not job.has_pipe) as folder:
        spills, tally = vocab_count.count(job, folder, console, stop)

        def check() -> None:
            stop.check(f"the counts are in {folder}")

        def manifest_of(files: list[Path]) -> Manifest:
            return dataclasses.replace(expected, inputs=job.corpus.inputs(files))

        if options.shard is not None:
            merged = combine.reduce(spills, folder, job.plan.counts, check)
            of_share = manifest_of(shares.inputs_of(job.files, job.shard))
            share = shares.Share(of_share, job.shard, tally, [str(path) for path in job.files])
            shares.write(job.out, merged, share, job.plan.counts)
            console.say(f"wrote {job.out}; sslkit merge-vocab puts all {job.shard[1]} together")
            console.result({"part": str(job.out), **tally, "left_out": job.listing.counts()})
            return
        work = vocab_table.Work(job.out, job.scheme, folder, job.plan, job.workers, check)
        results = vocab_table.write(work, spills, tally, lambda: manifest_of(job.files))
    left_out = job.listing.counts()
    vocab_table.report(job.out, results, job.plan, console, options.plot, left_out)


def _decisive(options: Options) -> dict[str, Any]:
    """The options that decide the content of the vocabulary, as its manifest keeps them."""
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
