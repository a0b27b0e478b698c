"""plan: what pretraining takes of memory, by micro-batch, gradient checkpointing and depth."""

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sslkit import tables
from sslkit.console import Console
from sslkit.contracts.domain import TokenDomain
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import ALONE
from sslkit.errors import UsageError
from sslkit.machine import sizes
from sslkit.options import Common
from sslkit.stages.pretrain import choice, feeds, memory
from sslkit.stages.pretrain.choice import Chosen
from sslkit.stages.pretrain.memory import Way, Ways
from sslkit.vocab import vocabulary


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of plan; the command line holds their meaning and defaults."""

    mem: str
    objective: str
    model: str
    vocab: Path
    window: int
    batch_tokens: int
    micro_tokens: int
    depths: str | None
    precision: str


def run(options: Options, console: Console) -> None:
    """Foretell, choose and show; see the command's help."""
    total = sizes.parse(options.mem)
    asked = _pretraining(options)
    vocab, made = vocabulary.load(options.vocab)
    chosen = choice.choose(asked, vocab, made, console)
    memory.check(asked, chosen)
    depths = _depths(options, chosen)
    runtime = runtimes.prepare(options.device, options.threads, options.precision)

    def ways(chosen: Chosen[TokenDomain]) -> Ways:
        in_step = max(1, options.batch_tokens // options.window)
        learner = feeds.learner(asked, chosen)
        return memory.ways(asked, chosen, learner, in_step, runtime, ALONE)

    if chosen.across_rows:
        console.say(
            f"{chosen.across_rows[0]}: rows of a micro-batch see each other, so that its size "
            "decides the result and stays as it is"
        )
    found = ways(chosen)
    way = memory.chosen_way(found, total, asked, chosen)
    # The smallest models first: what is freed is not given back, and is then used again.
    deeper = {depth: ways(_deep(chosen, depth)) for depth in sorted(depths)}
    if not console.as_json and not console.quiet:
        _show(options, found, way, total)
        if deeper:
            _show_depths(options, deeper, total)
    console.result(
        {
            "mem": total,
            "precision": runtime.precision,
            "base": found.base,
            "parameters": found.parameters,
            "chosen": _plain(way, options),
            "ways": [_plain(one, options) for one in found.ways],
            "depths": {
                depth: [_plain(one, options) for one in held.ways if one.peak <= total]
                for depth, held in deeper.items()
            },
        }
    )


def _pretraining(options: Options) -> choice.Options:
    """What pretrain would be asked, as far as its memory is concerned."""
    return choice.Options(
        **{name: value for name, value in vars(options).items() if name != "depths"},
        corpus=None,
        domain=None,
        k=None,
        steps=None,
        gradient_checkpointing=False,
        learning_rate=None,
        weight_decay=0.0,
        clip=1.0,
        heldout=0.0,
        shards=Path(),
        checkpoint_every=0.0,
        schedule="cosine",
        optimizer="adamw",
        parallel="ddp",
        start_from=None,
        plot=False,
        probe_every=None,
        task=None,
        labels=None,
        valid=None,
        test=None,
        sequence_column=None,
        label_column=None,
        id_column=None,
        stop_when_gain_below=None,
        all_files=False,
    )


def _depths(options: Options, chosen: Chosen[TokenDomain]) -> list[int]:
    if options.depths is None:
        return []
    name, _, settings = chosen.plugins["model"]
    if not any(field.name == "blocks" for field in dataclasses.fields(settings)):
        raise UsageError(f"--depths: {name} has no blocks", do="leave it out")
    words = [word.strip() for word in options.depths.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise UsageError(
            f"--depths {options.depths} are no numbers of blocks", do="write --depths 12,24,48"
        )
    return [int(word) for word in words]


def _deep(chosen: Chosen[TokenDomain], blocks: int) -> Chosen[TokenDomain]:
    name, module, settings = chosen.plugins["model"]
    model = (name, module, replace(settings, blocks=blocks))
    return replace(chosen, plugins=chosen.plugins | {"model": model})


def _plain(way: Way, options: Options) -> dict[str, Any]:
    micro = way.rows * options.window
    return {
        "gradient_checkpointing": way.checkpointing,
        "micro_tokens": micro,
        "micro_batches": -(-options.batch_tokens // micro),
        "peak": way.peak,
    }


def _show(options: Options, found: Ways, chosen: Way, total: int) -> None:
    rows = []
    for way in found.ways:
        told = _plain(way, options)
        rows.append(
            (
                "on" if way.checkpointing else "off",
                str(told["micro_tokens"]),
                str(told["micro_batches"]),
                sizes.show(way.peak),
                "chosen" if way is chosen else "fits" if way.peak <= total else "too much",
            )
        )
    title = (
        f"{sizes.show(total)}: {sizes.show(found.base)} for the process, "
        f"{sizes.show(found.parameters)} of parameters"
    )
    columns = ("gradient checkpointing", "micro-batch, tokens", "a step", "peak", "")
    tables.show(title, columns, rows)


def _show_depths(options: Options, deeper: dict[int, Ways], total: int) -> None:
    """For every depth the widest micro-batch, kept whole or with checkpointing."""
    rows = []
    for depth, found in deeper.items():
        row = [str(depth), sizes.show(found.parameters)]
        for again in (False, True):
            fit = [w for w in found.ways if w.checkpointing == again and w.peak <= total]
            widest = max(fit, key=lambda way: way.rows, default=None)
            row += (
                [str(widest.rows * options.window), sizes.show(widest.peak)]
                if widest
                else ["-"] * 2
            )
        rows.append(row)
    columns = (
        "blocks", "parameters", "widest micro-batch", "peak", "with checkpointing", "peak",
    )  # fmt: skip
    tables.show(f"Within {sizes.show(total)}, by depth", columns, rows)
