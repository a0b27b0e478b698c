"""score: how plausible every record is to a pretrained model, so that variants can be ranked.

The records are read twice: once to check and count them, so that a bad one is found before the
long part begins, and once to score them. What is finished is kept in parts beside the output; a
run that was stopped goes on behind the last part and ends in the same bytes.
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
        with stop.at_once("nothing was scored"):
            model = assemble.from_checkpoint(options.checkpoint)
            model.check_tokens("score")
            module, _ = plugins.restore("domain", model.manifest, model.path)
        own = recognition.endings(module)
        files = Files.of(options, out, kinds.SCORES, own)
        files.remark(console)
        with stop.at_once("nothing was scored"):
            job = _assemble(options, model, files, own, console)
            made = _describe(options, job, files)
        ignored = {"precision"} if options.precision == "auto" else set[str]()
        if not options.force and outputs.is_finished(
            job.out, made, scores.read_manifest, "scores", ignored
        ):
            console.say(f"{job.out} is finished: nothing to do")
            outputs.tidy(job.out, made, scores.read_manifest)
            with manifest.reading_results(job.out):
                _report(job, scores.read_manifest(job.out), console)
            return
        with stop.at_once("the records were being checked"):
            survey = _survey(job, console)
        identity = outputs.identity(made)
        parts = stack.enter_context(working(job.out, identity, console.warn, force=options.force))
        work.score(job, parts, survey, stop, console)
        made = replace(made, results=survey.results() | tables.summary(parts.tables()))
        # Written where a killed process leaves nothing that is not cleared away later.
        scores.write(parts.whole, parts.tables(), job.form.schema, made)
        parts.publish(job.out)
        _report(job, made, console)
        console.say(job.scorer.runtime.bytes_depend_on())


def _assemble(
    options: Options,
    model: assemble.Parts,
    files: Files,
    own: tuple[str, ...],
    console: Console,
) -> Job:
    out = options.out or Path(scores.NAME)
    precision, threads = outputs.settled(out, options.precision, options.threads, options.force)
    runtime = runtimes.prepare(options.device, threads, precision)
    console.say(model.inherited())
    console.say(files.listing.summary(model.domain_name))
    objective, scorer = score_plan.scorer(options, model, runtime)
    reading = Reading.of(options, files, model, own, console)
    wild = score_plan.wild_type(options, reading, model)
    form = Form(
        vocabulary=model.vocabulary.tokens,
        energy=isinstance(scorer.objective, Energy),
        per_token=options.per_position,
        effects=options.effects,
        marginal=options.marginal,
        compared=wild is not None,
        labels=options.label_column is not None,
    )
    beside = f" beside {wild.id}" if wild else ""
    console.say(
        f"reading {files}{beside}: {_way(objective, scorer)}, windows of {scorer.plan.window} "
        f"tokens that overlap by {scorer.plan.overlap}, on {runtime.device} in "
        f"{runtime.precision}, {runtime.threads} thread(s)"
    )
    return Job(model, objective, scorer, reading, wild, form, out)


def _way(name: str, scorer: Scorer) -> str:
    """How an objective comes to its score, in words."""
    if isinstance(scorer.objective, Energy):
        return f"{name}, an energy of each record"
    apart = token_ids(scorer.domain.spec).overlap
    if scorer.encoder.causal:
        but = f" but the last {apart}, a pseudo-likelihood" if apart else ""
        return f"{name}, each token given all before it{but}"
    hidden = f" with {apart} to each side" if apart else ""
    at_once = f", every {scorer.spacing} tokens at once" if scorer.spacing else ", one by one"
    return f"{name}, each token hidden{hidden}{at_once}, a pseudo-likelihood"


def _describe(options: Options, job: Job, files: Files) -> Manifest:
    """The manifest without results: all that decides the bytes of the table."""
    plan = job.scorer.plan
    asked = {
        "objective": job.objective,
        "wild_type": job.wild.describe() if job.wild else None,
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
    trained = job.model.manifest.plugins
    return manifest.make(
        "score",
        asked | job.scorer.runtime.describe(),
        plugins={kind: entry for kind, entry in trained.items() if kind != "task"},
        inputs=files.describe(),
        parents={"checkpoint": job.model.sha256},
    )


def _survey(job: Job, console: Console) -> Survey:
    """Read everything once: check, count, and refuse what cannot be used."""
    found, names = Survey(), Ids()
    for example in job.examples(empty=found.empty):
        names.add(example.id)
        length = job.length(example)
        found.records += 1
        found.bad += example.bad
        found.too_short += not example.bad and length < 1
        found.length += length
        if not job.form.marginal:
            found.reads += job.scorer.reads(length)
    check_empty(found.records, found.empty, job.reading.files, console)
    console.say(f"found {human(found.records)} sequences of {human(found.length)} tokens")
    names.warn(console)
    if found.bad:
        console.warn(f"{found.bad} sequences cannot be used and get no score")
    if found.too_short:
        console.warn(
            f"{found.too_short} sequences are shorter than one token "
            f"({job.model.domain.units(1)} units) and get no score"
        )
    if found.reads > 4 * found.length and job.scorer.spacing is None:
        console.say(
            f"every token is hidden in a copy of its own: {human(found.reads)} tokens to read; "
            "--spacing 16 reads fewer, --marginal scores substitutions from the wild type alone"
        )
    return found


def _report(job: Job, made: Manifest, console: Console) -> None:
    counts = made.results
    if not job.form.marginal and (unjudged := counts["length"] - counts["tokens"]):
        delta = ": their sequences get no delta" if job.wild else ""
        console.warn(f"{unjudged} tokens are not in the vocabulary and cannot be judged{delta}")
    without = counts["bad"] + counts["too_short"]
    means = ", ".join(
        f"{name.replace('_', ' ')} {counts[name]:.4g}"
        for name in ("perplexity", "mean_energy", "mean_delta")
        if counts.get(name) is not None
    )
    console.result(
        {
            "scores": str(job.out),
            "objective": job.objective,
            **counts,
            "left_out": job.reading.files.listing.counts(),
        },
        f"wrote {job.out}: {counts['records']} sequences, {without} of them without a score"
        + (f"; {means}" if means else ""),
    )
