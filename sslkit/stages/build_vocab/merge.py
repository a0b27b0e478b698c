"""merge-vocab: merge the shares that build-vocab --shard counted, to the bytes of a single run.

    sslkit merge-vocab part-1-of-2 part-2-of-2

The shares are merged in token order, put into the order of the vocabulary, and written.
"""

from dataclasses import dataclass
from pathlib import Path

from sslkit.artifacts import destination, kinds, plugins
from sslkit.console import Console
from sslkit.engine.signals import stopping
from sslkit.errors import UsageError
from sslkit.machine import sizes
from sslkit.options import Common, thread_count
from sslkit.stages.build_vocab import plot as vocab_plot
from sslkit.stages.build_vocab import subwords, table
from sslkit.stages.build_vocab.run import NAME
from sslkit.stages.build_vocab.scheme import scheme_of
from sslkit.vocab import budget, shares
from sslkit.vocab.workplace import tidy, workplace


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """What `sslkit merge-vocab` takes.

    Attributes:
        parts: all folders that build-vocab --shard wrote.
        mem: peak memory, as "4G".
        plot: whether to draw the counts.
        tmp: where the folder for temporary files is created.
    """

    parts: list[Path]
    mem: str
    plot: bool
    tmp: Path | None


def run(options: Options, console: Console) -> None:
    """Merge shares; see the command's help.

    Raises:
        UsageError: parts are missing or do not belong together.
        DataError: a part is damaged.
    """
    # ---- Output: refuse at once what could not be written at the end ----
    out = options.out or Path(NAME)
    destination.check(out, kinds.VOCABULARY, options)
    destination.check_corpus(out, kinds.VOCABULARY, options.parts, ("",), ())
    plan = budget.plan(sizes.parse(options.mem))
    budget.tighten(plan)
    vocab_plot.check(options, out)

    # ---- Data: the shares, and how their tokens are counted ----
    if missing := [path for path in options.parts if not path.is_dir()]:
        raise UsageError(f"there is no part {missing[0]}")
    parts = [shares.load(path) for path in options.parts]
    manifest, tally = shares.join([share for share, _ in parts])
    domain = manifest.plugins["domain"]
    module, settings = plugins.restore("domain", manifest, options.parts[0])
    console.say(f"merges {len(parts)} parts of {domain['name']}")
    identity = ["merge", manifest.to_json(), str(out.absolute())]
    if (
        out.exists()
        and not options.force
        and table.is_finished(out, manifest, console, options.plot)
    ):
        tidy(options.tmp, identity)
        return
    scheme = scheme_of(manifest, module, settings)
    subwords.check(manifest.settings, scheme, plan, out)

    # ---- Merging and writing ----
    with stopping() as stop, workplace(options.tmp, identity) as folder:
        work = table.Work(
            out,
            scheme,
            folder,
            plan,
            budget.lanes(plan, thread_count(options.threads)),
            lambda: stop.check("all parts are as they were"),
        )
        results = table.write(work, [spill for _, spill in parts], tally, lambda: manifest)
    table.report(out, results, plan, console, options.plot)
