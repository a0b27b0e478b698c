"""probe: how well simple models on frozen features predict labels, compared with baselines.

    sslkit probe --task promoter --checkpoint pretrained

Labelled examples get frozen features of the pretrained encoder, of the same encoder untrained, and
of baselines without an encoder; on each a simple model is fitted to the training part, its penalty
chosen within that part; all models predict the same test examples, or every example once by
cross-validation, and are evaluated on the same bootstrap resamples.
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
#: The study, by what labels are attached to.
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
    with stopping() as stop, stop.at_once("a probe keeps nothing before its end"):
        _compare(options, out, console)


def _compare(options: Options, out: Path, console: Console) -> None:
    # ---- Data: labelled examples, and the encoder that reads them ----
    supervision = supervision_of(catalog.load("task", options.task))
    if options.plot is not None and supervision != PAIR:
        raise UsageError("--plot draws contacts", why=f"task {options.task} has none")
    precision = "fp32" if supervision == PAIR else options.precision
    runtime = runtimes.prepare(options.device, options.threads, precision)
    study = _STUDIES[supervision](options, runtime, console)

    # ---- A finished report is shown again ----
    identity = {"stage": "probe", **study.identity()}
    earlier = report.earlier(out, identity, force=options.force)
    if earlier is not None and (options.plot is None or options.plot.is_file()):
        report.show_again(earlier, out / report.NAME, console)
        return

    # ---- Models: baselines, the untrained encoder, the pretrained one ----
    with threadpool_limits(runtime.threads):
        models = study.results(console)

    # ---- Metrics: intervals, and differences from the baselines ----
    results = report.results(study.header(models), models, options.seed)
    final = manifest.make(
        **identity, results=results | {"threads": runtime.threads} | study.notes()
    )

    # ---- Output: predictions, then the report, which marks the end ----
    written = study.save(out, models, final.to_json())
    report.write(out, final)
    console.say(f"wrote {' and '.join(map(str, [out / report.NAME, *written]))}")
    console.say(runtime.bytes_depend_on(options.seed))
    report.show(final, console)
