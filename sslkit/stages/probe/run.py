"""probe: what frozen features of a pretrained encoder know of a task, beside baselines.

    sslkit probe --task promoter --checkpoint pretrained

Labelled examples get frozen features, of the pretrained encoder, of the same encoder untrained,
and of what needs no encoder; a simple model learns from the training part, penalties chosen inside
it; all predict the same test examples, or every example once by cross-validation, and are judged on
the same bootstrap resamples.
"""

from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from sslkit import catalog
from sslkit.artifacts import destination, kinds, manifest
from sslkit.console import Console
from sslkit.data.examples import PAIR, RECORD, TOKEN, supervision_of
from sslkit.engine import runtime as runtimes
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.errors import UsageError
from sslkit.stages.probe import contacts, records, report, tokens
from sslkit.stages.probe.options import Options
from sslkit.stages.probe.study import Study

_OTHER_PLOT = "name another file with --plot"
#: What is compared, by what labels are attached to.
_STUDIES: dict[str, Callable[[Options, Runtime, Console], Study]] = {
    RECORD: records.Study,
    TOKEN: tokens.Study,
    PAIR: contacts.Study,
}


def run(options: Options, console: Console) -> None:
    """Probe, compare, and write the report; see the command's help."""
    out = options.out or Path("probed") / options.task
    destination.check(out, kinds.PROBED, options)
    if options.plot is not None:
        destination.check(options.plot, kinds.picture("probe"), options, do=_OTHER_PLOT)
    with stopping() as stop, stop.at_once("a probe keeps nothing that is half done"):
        _compare(options, out, console)


def _compare(options: Options, out: Path, console: Console) -> None:
    # ---- task: what its labels are attached to
    supervision = supervision_of(catalog.load("task", options.task))
    if options.plot is not None and supervision != PAIR:
        raise UsageError("--plot draws contacts", why=f"task {options.task} has none")

    # ---- data: labelled examples, and the encoder that reads them
    precision = "fp32" if supervision == PAIR else options.precision
    runtime = runtimes.prepare(options.device, options.threads, precision)
    study = _STUDIES[supervision](options, runtime, console)

    # ---- the same question, answered before
    identity = {"stage": "probe", **study.identity()}
    earlier = report.earlier(out, identity, force=options.force)
    if earlier is not None and (options.plot is None or options.plot.is_file()):
        report.show_again(earlier, out / report.NAME, console)
        return

    # ---- models: baselines, the untrained encoder, the pretrained one
    with threadpool_limits(runtime.threads):
        results = study.results(console)

    # ---- metrics: intervals, and differences from the baselines
    kept = report.results(study.header(results), results, options.seed)
    made = manifest.make(**identity, results=kept | {"threads": runtime.threads} | study.notes())

    # ---- output: predictions, and the report, which says that all is done
    written = study.save(out, results, made.to_json())
    report.write(out, made)
    console.say(f"wrote {' and '.join(map(str, [out / report.NAME, *written]))}")
    console.say(runtime.bytes_depend_on(options.seed))
    report.show(made, console)
