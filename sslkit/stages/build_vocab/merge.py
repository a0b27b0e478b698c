"""merge-vocab: put together what build-vocab --shard counted apart, to the bytes of one run."""

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
        parts: folders that build-vocab --shard wrote, all of them.
        mem: peak memory, as "4G".
        plot: whether to draw the counts.
        tmp: where the folder for temporary files is made.
    """

    parts: list[Path]
    mem: str
    plot: bool
    tmp: Path | None


def run(options: Options, console: Console) -> None:
    """Merge parts.

    Raises:
        UsageError: parts are missing or do not belong together.
        DataError: a part is damaged.
    """
    out = options.out or Path(NAME)
    destination.check(out, kinds.VOCABULARY, options)
    destination.check_corpus(out, kinds.VOCABULARY, options.parts, ("",), ())
    plan = budget.plan(sizes.parse(options.mem))
    budget.tighten(plan)
    vocab_plot.check(options, out)
    if missing := [path for path in options.parts if not path.is_dir()]:
        raise UsageError(f"there is no part {missing[0]}")
    held = [shares.load(path) for path in options.parts]
    made, tally = shares.join([share for share, _ in held])
    domain = made.plugins["domain"]
    module, settings = plugins.restore("domain", made, options.parts[0])
    console.say(f"merges {len(held)} parts of {domain['name']}")
    what = ["merge", made.to_json(), str(out.absolute())]
    if out.exists() and not options.force and table.finished(out, made, console, options.plot):
        tidy(options.tmp, what)
        return
    scheme = scheme_of(made, module, settings)
    subwords.check(made.settings, scheme, plan, out)
    with stopping() as stop, workplace(options.tmp, what) as folder:
        work = table.Work(
            out,
            scheme,
            folder,
            plan,
            budget.lanes(plan, thread_count(options.threads)),
            lambda: stop.check("all parts are as they were"),
        )
        results = table.write(work, [spill for _, spill in held], tally, lambda: made)
    table.tell(out, results, plan, console, options.plot)
