"""Runs on records that are examples as they stand: images, rows of tables, nodes of networks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.artifacts import destination, kinds, manifest
from sslkit.artifacts.manifest import Input
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console, human
from sslkit.contracts.domain import RecordDomain
from sslkit.data import corpus, items, recognition, shards
from sslkit.data.items import Items
from sslkit.data.shards import Segments, Shard
from sslkit.data.tables import Reader
from sslkit.engine import optimisation
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, UsageError
from sslkit.files import folders, longest, pipes, table
from sslkit.files.columns import Columns
from sslkit.stages.pretrain import choice as plans
from sslkit.stages.pretrain import steps as works
from sslkit.stages.pretrain import windows
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.vocab.vocabulary import Vocabulary

#: Options of pretrain that are about tokens.
_UNUSED = frozenset({"k", "vocab", "window", "mem", "plot"})
#: Records of a step, and of a micro-batch, where nothing else is asked for.
_STEP_RECORDS = 64
_EVALUATED = 1024
#: The default number of steps reads the data so many times, within limits.
_PASSES, _FEWEST_STEPS, _MOST_STEPS = 4, 200, 20_000
_RATE = 1e-3


@dataclass(frozen=True)
class Records:
    """Records without tokens; implements ``feeds.Feed``.

    Attributes:
        data: records to train on and records held out.
        rows: records of a step.
    """

    options: Options
    chosen: Chosen[RecordDomain]
    inputs: tuple[Input, ...]
    data: tuple[Segments, Segments]
    rows: int
    vocabulary: Vocabulary
    processes: World

    @classmethod
    def of(cls, options: Options, processes: World, console: Console) -> "Records":
        """Choose, read and hold out.

        Raises:
            UsageError: options that are about tokens, no files, or parts that do not fit together.
            DataError: files that cannot be used, or too few records.
        """
        name = options.domain or ""
        if unfit := sorted(options.given & _UNUSED):
            flags = ", ".join(f"--{option.replace('_', '-')}" for option in unfit)
            raise UsageError(f"{flags}: domain {name} has no tokens", do="leave it out")
        none = Vocabulary([], np.zeros(0, np.int64))
        plugins, domain = plans.without_vocabulary(options, none)
        chosen: Chosen[RecordDomain] = plans.made_of(plugins, domain, none)
        console.say(f"domain {name}, {plugins['domain'][2]}")
        inputs, data = _data(options, chosen, processes, console)
        examples = Items(data[0], domain, options.seed)
        if "batch_tokens" not in options.given:
            cost = math.ceil(examples.mean_cost) * min(_STEP_RECORDS, len(examples))
            options = replace(options, batch_tokens=cost)
        if "micro_tokens" not in options.given:
            options = replace(options, micro_tokens=options.batch_tokens)
        rows = works.rows(options.batch_tokens, examples)
        processes.share(rows, "--batch-tokens")
        micro_rows = works.rows(options.micro_tokens, examples)
        works.check_company(chosen, micro_rows, rows, processes)
        return cls(options, chosen, inputs, data, rows, none, processes)

    @property
    def parents(self) -> Mapping[str, str]:
        """It comes from no artifact."""
        return {}

    @property
    def unused(self) -> frozenset[str]:
        """All that is about tokens."""
        return _UNUSED

    @property
    def passes(self) -> float:
        """Records over those of a step."""
        return len(self.data[0]) / self.rows

    def is_whole(self, learner: Learner) -> bool:
        """Records are drawn."""
        del learner
        return False

    def fitted(
        self, learner: Learner, runtime: Runtime, folder: RunFolder, console: Console
    ) -> "Records":
        """As it is: ``--micro-tokens`` says how much is taken at once."""
        del learner, runtime, folder, console
        return self

    def settled(self, learner: Learner) -> tuple[Options, int]:
        """The options with a learning rate, and the number of steps."""
        del learner
        wanted = math.ceil(_PASSES * self.passes)
        steps = self.options.steps or min(max(wanted, _FEWEST_STEPS), _MOST_STEPS)
        rate = optimisation.rate(self.options.learning_rate, self.chosen.plugins, _RATE)
        return replace(self.options, learning_rate=rate), steps

    def identity(self) -> dict[str, Any]:
        """What of the data decides the result; micro-batches where an objective compares rows."""
        options = self.options
        cut = {"micro_tokens": options.micro_tokens, "processes": self.processes.size}
        columns = {"sequence_column": options.sequence_column, "id_column": options.id_column}
        return {
            **(cut if self.chosen.across_rows else {}),
            **({"on_error": "skip"} if options.on_error == "skip" else {}),
            **{name: column for name, column in columns.items() if column is not None},
            "context": 1,
            "batch_tokens": options.batch_tokens,
            "heldout": options.heldout,
            **longest.stated(),
        }

    def work(self, learner: Learner, runtime: Runtime) -> tuple[Work, str]:
        """Micro-batches of records, and what a step reads of them."""
        del learner
        train, held_out = self.data
        examples = Items(train, self.chosen.domain, self.options.seed)
        judged = Items(held_out, self.chosen.domain, None).evaluation(_EVALUATED)
        micro_rows = works.rows(self.options.micro_tokens, examples)
        divide = works.batching_of(self.options, self.chosen, micro_rows, runtime)
        data = (examples, judged)
        batches = works.batches(self.options, self.chosen, self.rows, data, divide, self.processes)
        done = works.work(*batches, self.chosen, self.processes, runtime, unit="records")
        return done, f"{self.rows} records"

    def told(self, learner: Learner) -> list[str]:
        """Nothing more."""
        del learner
        return []

    def finish(
        self, learner: Learner, metrics: Mapping[str, float], folder: RunFolder, runtime: Runtime
    ) -> list[str]:
        """The checkpoint is all."""
        del learner, metrics, folder, runtime
        return []


def _data(
    options: Options, chosen: Chosen[RecordDomain], processes: World, console: Console
) -> tuple[tuple[Input, ...], tuple[Segments, Segments]]:
    """The files, records to train on and records held out; says how many there are."""
    name, module, _ = chosen.plugins["domain"]
    if not options.corpus:
        raise UsageError(
            f"domain {name} has no vocabulary that could name its files",
            do=f"name them: sslkit pretrain FOLDER --domain {name}",
        )
    own = recognition.endings(module)
    endings = table.ENDINGS if options.sequence_column else own
    listing = folders.find(
        options.corpus, endings, all_files=options.all_files, on_error=options.on_error
    )
    console.say(listing.summary(name))
    paths = list(listing.files)
    if unreadable := [path for path in paths if pipes.is_pipe(path)]:
        raise UsageError(
            f"data is read more than once, so it cannot come from {unreadable[0]}",
            do="write it to a file and name that",
        )
    out = options.out or Path("pretrained")
    destination.check_corpus(out, kinds.PRETRAINED, options.corpus, endings, paths)
    inputs = manifest.describe(paths)
    cut = windows.Cut(
        window=1,
        heldout=options.heldout,
        seed=options.seed,
        cache=options.shards,
        on_error=options.on_error,
        columns=Columns(options.sequence_column, id=options.id_column),
        own=own,
    )
    version = f"{name} {module.VERSION}"
    encoded = windows.encoded(inputs, chosen.domain, version, cut, processes, console)
    longest_file = max(1, *(len(shard.units) for shard in encoded))
    records = shards.cut(encoded, longest_file, 1)
    signatures = _signatures(inputs, chosen.domain, version, cut, encoded, processes, console)
    train, held_out = items.hold_out(records, options.heldout, signatures)
    if not len(train) or not len(held_out):
        raise DataError(
            "too few different records to hold any out",
            where=", ".join(entry.path for entry in inputs),
            why=f"there are {len(records)} records",
            do="add data",
        )
    skipped = sum(shard.skipped for shard in encoded)
    console.say(
        f"data: {human(len(records))} records in {len(inputs)} file(s), {skipped} skipped; held "
        f"out {human(len(held_out))}, records of one signature on one side"
    )
    return inputs, (train, held_out)


def _signatures(
    inputs: tuple[Input, ...],
    domain: RecordDomain,
    version: str,
    cut: windows.Cut,
    encoded: Sequence[Shard],
    processes: World,
    console: Console,
) -> npt.NDArray[np.uint64]:
    """A hash of the signature of every record that has units, in the order of the shards."""
    reader = Reader(domain, cut.own, cut.columns)
    where = cut.cache, cut.on_error, console.warn
    opened = (
        corpus.open_signatures(inputs, version, *where, reader) if processes.is_main_process else []
    )
    processes.barrier()
    opened = opened or corpus.open_signatures(inputs, version, *where, reader)
    return np.concatenate(
        [
            signatures.units[np.diff(shard.offsets) > 0]
            for signatures, shard in zip(opened, encoded, strict=True)
        ]
    )
