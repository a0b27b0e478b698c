"""Runs on a corpus: its windows or, where objective and model agree on it, its counted pairs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sslkit.artifacts import destination, kinds, manifest
from sslkit.artifacts.manifest import Input, Manifest
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.objective import Counted
from sslkit.data import inherited, recognition
from sslkit.data.windows import WindowExamples, Windows
from sslkit.engine import optimisation, optimizers
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.files import longest, source, table
from sslkit.files.columns import Columns
from sslkit.stages.pretrain import choice as plans
from sslkit.stages.pretrain import memory, pairs, windows
from sslkit.stages.pretrain import steps as works
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.vocab import vocabulary
from sslkit.vocab.contents import names_and_hashes
from sslkit.vocab.vocabulary import Vocabulary

#: The default number of steps reads the corpus so many times, within limits.
_PASSES = 4
_FEWEST_STEPS, _MOST_STEPS = 200, 20_000
_RATE = 1e-3
_EVALUATION_TOKENS = 65536


@dataclass(frozen=True)
class Corpus:
    """A vocabulary and the corpus that it names; implements ``feeds.Feed``.

    Attributes:
        read: the options by which the corpus is read, those of its vocabulary among them.
        data: windows to train on and windows held out.
        rows: windows of a step.
    """

    options: Options
    read: Options
    chosen: Chosen[TokenDomain]
    inputs: tuple[Input, ...]
    vocabulary: Vocabulary
    data: tuple[Windows, Windows]
    rows: int
    processes: World

    @classmethod
    def of(cls, options: Options, processes: World, console: Console) -> "Corpus":
        """Choose, read and cut.

        Raises:
            UsageError: parts that do not fit together.
            DataError: a vocabulary or a corpus that cannot be used.
        """
        processes.share(max(1, options.batch_tokens // options.window), "--batch-tokens")
        vocab, made = vocabulary.load(options.vocab)
        chosen = plans.choose(options, vocab, made, console)
        read = _inherited(options, chosen, made, console)
        inputs, data = _data(read, chosen, made, processes, console)
        rows = works.rows(options.batch_tokens, WindowExamples(data[0], chosen.domain))
        works.check_company(chosen, _micro_rows(options), rows, processes)
        return cls(options, read, chosen, inputs, vocab, data, rows, processes)

    @property
    def parents(self) -> Mapping[str, str]:
        """The vocabulary."""
        return {str(self.options.vocab): source.digest(self.options.vocab)}

    @property
    def unused(self) -> frozenset[str]:
        """Nothing: every option means something here."""
        return frozenset()

    @property
    def passes(self) -> float:
        """Windows over those of a step."""
        return len(self.data[0]) / self.rows

    def is_whole(self, learner: Learner) -> bool:
        """Counted pairs are taken all at once, windows are drawn."""
        return pairs.asked(self.chosen.objectives.objective, learner.encoder) is not None

    def fitted(
        self, learner: Learner, runtime: Runtime, folder: RunFolder, console: Console
    ) -> "Corpus":
        """In micro-batches as ``--mem`` allows them."""
        options = memory.fit(
            self.options, self.chosen, learner, self.rows, runtime, self.processes, folder, console
        )
        return replace(self, options=options)

    def settled(self, learner: Learner) -> tuple[Options, int]:
        """The options with a learning rate, and the number of steps."""
        objective = self.chosen.objectives.objective
        counted = pairs.asked(objective, learner.encoder)
        steps = self.options.steps or (pairs.STEPS if counted else self._default_steps())
        rate = self.options.learning_rate
        if counted:
            rate = pairs.RATE if rate is None else rate
        elif isinstance(objective, Counted) and optimisation.takes_sparse(self.chosen.plugins):
            optimizers.make_sparse(learner)
            rate = pairs.SAMPLED_RATE if rate is None else rate
        rate = optimisation.rate(rate, self.chosen.plugins, _RATE)
        return replace(self.options, learning_rate=rate), steps

    def _default_steps(self) -> int:
        wanted = math.ceil(_PASSES * len(self.data[0]) / self.rows)
        return min(max(wanted, _FEWEST_STEPS), _MOST_STEPS)

    def identity(self) -> dict[str, Any]:
        """All that decides the result, but for what changes its rounding only.

        That is how a step is cut into micro-batches and dealt out to processes, unless an
        objective compares rows that lie in one micro-batch.
        """
        options = self.options
        read = {"sequence_column": self.read.sequence_column, "id_column": self.read.id_column}
        if self.read.on_error == "skip":
            read["on_error"] = self.read.on_error
        cut = {"micro_tokens": options.micro_tokens, "processes": self.processes.size}
        return {
            **(cut if self.chosen.across_rows else {}),
            **{name: value for name, value in read.items() if value is not None},
            "window": options.window,
            "context": options.window,
            "batch_tokens": options.batch_tokens,
            "heldout": options.heldout,
            **longest.stated(),
            "vocabulary": source.digest(options.vocab),
        }

    def work(self, learner: Learner, runtime: Runtime) -> tuple[Work, str]:
        """What is trained on, and what a step reads of it."""
        options, chosen, processes = self.options, self.chosen, self.processes
        if counted := pairs.asked(chosen.objectives.objective, learner.encoder):
            seed = options.seed if options.start_from is None else None
            batches = pairs.batches(counted, learner, chosen.domain, self.data, processes, seed)
            return works.work(*batches, chosen, processes, runtime), "all pairs"
        train, held_out = (WindowExamples(part, chosen.domain) for part in self.data)
        judged = held_out.evaluation(max(1, _EVALUATION_TOKENS // options.window))
        divide = works.batching_of(options, chosen, _micro_rows(options), runtime)
        batches = works.batches(options, chosen, self.rows, (train, judged), divide, processes)
        return works.work(*batches, chosen, processes, runtime), f"{options.batch_tokens} tokens"

    def told(self, learner: Learner) -> list[str]:
        """How far a state of the encoder sees."""
        encoder = learner.encoder
        if encoder.receptive_field is None:
            return []
        where = "back" if encoder.causal else "to each side"
        window = self.options.window
        return [
            f"a state depends on {encoder.receptive_field} tokens {where}; a window has {window}"
        ]

    def finish(
        self, learner: Learner, metrics: Mapping[str, float], folder: RunFolder, runtime: Runtime
    ) -> list[str]:
        """The checkpoint is all."""
        del learner, metrics, folder, runtime
        return []


def _micro_rows(options: Options) -> int:
    return max(1, options.micro_tokens // options.window)


def _inherited(
    options: Options, chosen: Chosen[TokenDomain], made: Manifest, console: Console
) -> Options:
    """The options with those of build-vocab that decide how the corpus is read."""
    module = chosen.plugins["domain"][1]
    if "on_error" not in options.given and made.settings.get("on_error") == "skip":
        console.say(f"inherits --on-error skip from {options.vocab}")
        options = replace(options, on_error="skip")
    if options.sequence_column is None:
        paths = options.corpus or [Path(entry.path) for entry in made.inputs]
        column = inherited.sequence_column(
            made, options.vocab, paths, recognition.endings(module), console
        )
        options = replace(options, sequence_column=column)
    if options.id_column is None and not options.corpus and made.settings.get("id_column"):
        options = replace(options, id_column=str(made.settings["id_column"]))
    return options


def _data(
    options: Options,
    chosen: Chosen[TokenDomain],
    made: Manifest,
    processes: World,
    console: Console,
) -> tuple[tuple[Input, ...], tuple[Windows, Windows]]:
    """The corpus: its files, windows to train on and windows held out."""
    name, module, _ = chosen.plugins["domain"]
    own = recognition.endings(module)
    endings = table.ENDINGS if options.sequence_column else own
    files = windows.files(
        *(options.corpus, endings, made, options.vocab, console),
        all_files=options.all_files,
        on_error=options.on_error,
    )
    out = options.out or Path("pretrained")
    destination.check_corpus(out, kinds.PRETRAINED, options.corpus or (), endings, files)
    inputs = manifest.describe(files)
    if not options.corpus and names_and_hashes(inputs) != names_and_hashes(made.inputs):
        console.warn(f"the corpus is not what it was when {options.vocab} was made from it")
    cut = windows.Cut(
        window=options.window,
        heldout=options.heldout,
        seed=options.seed,
        cache=options.shards,
        on_error=options.on_error,
        columns=Columns(options.sequence_column, id=options.id_column),
        own=own,
    )
    version = f"{name} {module.VERSION}"
    return inputs, windows.windows(inputs, chosen.domain, version, cut, processes, console)
