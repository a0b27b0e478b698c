"""score: how plausible every record is to a pretrained model, so that variants can be ranked.

    sslkit score variants.fa --checkpoint pretrained --wild-type wild.fa

The records are read twice: once to check and count them, so that a bad one is refused before the
long part begins, and once to score them. Finished rows are kept in parts beside the output; a run
that was stopped continues after the last part and ends in the same bytes.
"""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sslkit.artifacts import destination, kinds, manifest, outputs, plugins, scores
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.parts import working
from sslkit.console import Console, human
from sslkit.contracts.objective import Energy
from sslkit.contracts.spec import token_ids
from sslkit.data import recognition
from sslkit.data.reading import Files, Ids, Reading, check_empty
from sslkit.engine import assemble
from sslkit.engine import runtime as runtimes
from sslkit.engine.signals import stopping
from sslkit.files import longest
from sslkit.inference.scoring import Scorer
from sslkit.stages.score import scorer as score_plan
from sslkit.stages.score import tables, work
from sslkit.stages.score.scorer import Options
from sslkit.stages.score.tables import Form
from sslkit.stages.score.work import Job, Survey

__all__ = ["Options", "run"]


def run(options: Options, console: Console) -> None:
    """Score records, or continue to; see the command's help."""
    out = options.out or Path(scores.NAME)
    destination.check(out, kinds.SCORES, options)
    with ExitStack() as stack, stopping() as stop:
        # ---- Data: files, read by the domain of the checkpoint ----
        with stop.at_once("nothing was scored"):
            model = assemble.from_checkpoint(options.checkpoint)
            model.check_tokens("score")
            module, _ = plugins.restore("domain", model.manifest, model.path)
        endings = recognition.endings(module)
        files = Files.of(options, out, kinds.SCORES, endings)
        files.remark(console)

        # ---- Model and loss: the pretrained encoder, and the objective that scores ----
        with stop.at_once("nothing was scored"):
            job = _assemble(options, model, files, endings, console)
            expected = _describe(options, job, files)

        # ---- A finished table is reported again ----
        if outputs.report_finished(
            out,
            expected,
            scores.read_manifest,
            "scores",
            lambda finished: _report(job, finished, console),
            console,
            force=options.force,
            precision=options.precision,
        ):
            return

        # ---- Loop: all records once to check them, and once to score them ----
        with stop.at_once("the records were being checked"):
            survey = _survey(job, console)
        identity = outputs.identity(expected)
        parts = stack.enter_context(working(out, identity, console.warn, force=options.force))
        work.score(job, parts, survey, stop, console)

        # ---- Output: one table of all parts ----
        results = survey.results() | tables.summary(parts.tables())
        final = replace(expected, results=results)
        # A file in the folder of parts is removed by the next run if this one is killed.
        scores.write(parts.whole, parts.tables(), job.form.schema, final)
        parts.publish(out)
        _report(job, final, console)
        console.say(job.scorer.runtime.bytes_depend_on())


def _assemble(
    options: Options,
    model: assemble.Parts,
    files: Files,
    endings: tuple[str, ...],
    console: Console,
) -> Job:
    out = options.out or Path(scores.NAME)
    precision, threads = outputs.settled(out, options.precision, options.threads, options.force)
    runtime = runtimes.prepare(options.device, threads, precision)
    console.say(model.inherited())
    console.say(files.listing.summary(model.domain_name))
    objective, scorer = score_plan.prepare(options, model, runtime)
    reading = Reading.of(options, files, model, endings, console)
    wild_type = score_plan.wild_type(options, reading, model)
    form = Form(
        vocabulary=model.vocabulary.tokens,
        energy=isinstance(scorer.objective, Energy),
        per_token=options.per_position,
        effects=options.effects,
        marginal=options.marginal,
        compared=wild_type is not None,
        labels=options.label_column is not None,
    )
    compared = f" compared with {wild_type.id}" if wild_type else ""
    console.say(
        f"reading {files}{compared}: {_method(objective, scorer)}, windows of {scorer.plan.window} "
        f"tokens that overlap by {scorer.plan.overlap}, on {runtime.device} in "
        f"{runtime.precision}, {runtime.threads} thread(s)"
    )
    return Job(model, objective, scorer, reading, wild_type, form, out)


def _method(name: str, scorer: Scorer) -> str:
    """How an objective computes its score, in words."""
    if isinstance(scorer.objective, Energy):
        return f"{name}, an energy of each record"
    overlap = token_ids(scorer.domain.spec).overlap
    if scorer.encoder.causal:
        but = f" but the last {overlap}, a pseudo-likelihood" if overlap else ""
        return f"{name}, each token given all before it{but}"
    hidden = f" with {overlap} to each side" if overlap else ""
    at_once = f", every {scorer.spacing} tokens at once" if scorer.spacing else ", one by one"
    return f"{name}, each token hidden{hidden}{at_once}, a pseudo-likelihood"


def _describe(options: Options, job: Job, files: Files) -> Manifest:
    """The manifest without results: all that decides the bytes of the table."""
    plan = job.scorer.plan
    settings = {
        "objective": job.objective,
        "wild_type": job.wild_type.describe() if job.wild_type else None,
        "marginal": options.marginal,
        "per_position": options.per_position,
        "effects": options.effects,
        "spacing": options.spacing,
        "window": plan.window,
        "overlap": plan.overlap,
        "batch_tokens": plan.batch_tokens,
        **job.reading.describe(),
        "on_error": options.on_error,
        **longest.stated(),
    }
    plugins_of_model = job.model.manifest.plugins
    return manifest.make(
        "score",
        settings | job.scorer.runtime.describe(),
        plugins={kind: entry for kind, entry in plugins_of_model.items() if kind != "task"},
        inputs=files.describe(),
        parents={"checkpoint": job.model.sha256},
    )


def _survey(job: Job, console: Console) -> Survey:
    """Read all records once: check, count, and refuse what cannot be used."""
    survey, ids = Survey(), Ids()
    for example in job.examples(empty=survey.empty):
        ids.add(example.id)
        length = job.length(example)
        survey.records += 1
        survey.bad += example.bad
        survey.too_short += not example.bad and length < 1
        survey.length += length
        if not job.form.marginal:
            survey.reads += job.scorer.reads(length)
    check_empty(survey.records, survey.empty, job.reading.files, console)
    console.say(f"found {human(survey.records)} sequences of {human(survey.length)} tokens")
    ids.warn(console)
    if survey.bad:
        console.warn(f"{survey.bad} sequences cannot be used and get no score")
    if survey.too_short:
        console.warn(
            f"{survey.too_short} sequences are shorter than one token "
            f"({job.model.domain.units(1)} units) and get no score"
        )
    if survey.reads > 4 * survey.length and job.scorer.spacing is None:
        console.say(
            f"every token is hidden in a copy of its own: {human(survey.reads)} tokens to read; "
            "--spacing 16 reads fewer, --marginal scores substitutions from the wild type alone"
        )
    return survey


def _report(job: Job, finished: Manifest, console: Console) -> None:
    results = finished.results
    if not job.form.marginal and (unscored := results["length"] - results["tokens"]):
        delta = ": their sequences get no delta" if job.wild_type else ""
        console.warn(f"{unscored} tokens are not in the vocabulary and cannot be scored{delta}")
    missing = results["bad"] + results["too_short"]
    means = ", ".join(
        f"{name.replace('_', ' ')} {results[name]:.4g}"
        for name in ("perplexity", "mean_energy", "mean_delta")
        if results.get(name) is not None
    )
    console.result(
        {
            "scores": str(job.out),
            "objective": job.objective,
            **results,
            "left_out": job.reading.files.listing.counts(),
        },
        f"wrote {job.out}: {results['records']} sequences, {missing} of them without a score"
        + (f"; {means}" if means else ""),
    )
