"""Runs on an equation: its points as one batch, judged at points held out and by a reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sslkit import figures
from sslkit.artifacts import manifest
from sslkit.artifacts.manifest import Input
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.domain import FieldDomain
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner
from sslkit.engine.plan import Work
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.files import atomic
from sslkit.stages.pretrain import choice as plans
from sslkit.stages.pretrain import field_plot
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.types import Arrays, Reference
from sslkit.vocab.vocabulary import Vocabulary

#: Options of pretrain that are about records and tokens.
_UNUSED = frozenset({
    "corpus", "k", "vocab", "window", "batch_tokens", "micro_tokens", "gradient_checkpointing",
    "mem", "heldout", "shards",
    "on_error", "all_files", "max_record", "sequence_column", "label_column", "id_column",
})  # fmt: skip
_EVALUATED = 1000


@dataclass(frozen=True)
class Equation:
    """A domain without records; implements ``feeds.Feed``."""

    options: Options
    chosen: Chosen[FieldDomain]
    inputs: tuple[Input, ...]
    reference: Reference | None
    vocabulary: Vocabulary
    processes: World

    @classmethod
    def of(cls, options: Options, processes: World, console: Console) -> "Equation":
        """Choose the plug-ins and read what files there are.

        Raises:
            UsageError: options that make no sense here, or parts that do not fit together.
            DataError: observations or a reference that cannot be used.
        """
        name = options.domain or ""
        if unknown := sorted(options.given & _UNUSED - {"corpus"}):
            flags = ", ".join(f"--{option.replace('_', '-')}" for option in unknown)
            raise UsageError(
                f"{flags}: domain {name} has no corpus and no vocabulary",
                do="leave it out; `sslkit show domain " + name + "` lists what can be set",
            )
        if options.corpus:
            raise UsageError(
                f"domain {name} has no corpus to read {options.corpus[0]} for",
                do="leave it out; observed values are named with --set observations=FILE",
            )
        if options.precision == "bf16":
            raise UsageError(
                "bf16 has no room for the derivatives of a field", do="use --precision fp32 or fp64"
            )
        if options.plot:
            figures.check()
        none = Vocabulary([], np.zeros(0, np.int64))
        plugins, domain = plans.without_vocabulary(options, none)
        console.say(f"domain {name}, {plugins['domain'][2]}")
        inputs = manifest.describe(domain.files)
        chosen = plans.made_of(plugins, domain, none)
        found = cls(options, chosen, inputs, domain.reference(), none, processes)
        # Files that cannot be used are refused before anything is begun.
        domain.batch(options.seed, "train")
        return found

    @property
    def parents(self) -> Mapping[str, str]:
        """It comes from no artifact."""
        return {}

    @property
    def unused(self) -> frozenset[str]:
        """All that is about records and tokens."""
        return _UNUSED

    @property
    def passes(self) -> float:
        """A step reads all points."""
        return 1.0

    def is_whole(self, learner: Learner) -> bool:
        """The same points at every step, unless an objective draws something."""
        del learner
        return self.chosen.objectives.full_batch

    def fitted(
        self, learner: Learner, runtime: Runtime, folder: RunFolder, console: Console
    ) -> "Equation":
        """As it is: all points are one batch."""
        del learner, runtime, folder, console
        return self

    def settled(self, learner: Learner) -> tuple[Options, int]:
        """The options and the number of steps; the domain has said what is usual."""
        del learner
        if self.options.steps is None:
            raise UsageError(f"domain {self.options.domain} needs --steps")
        return self.options, self.options.steps

    def identity(self) -> dict[str, Any]:
        """Nothing more: settings and seed make the points."""
        return {}

    def work(self, learner: Learner, runtime: Runtime) -> tuple[Work, str]:
        """The same points at every step, shared out to the processes."""
        domain, objectives = self.chosen.domain, self.chosen.objectives
        train, held = (
            {name: array.astype(_number(runtime)) for name, array in made.items()}
            for made in (domain.batch(self.options.seed, part) for part in ("train", "heldout"))
        )
        mine = {n: a[self.processes.rank :: self.processes.size] for n, a in train.items()}
        evaluated = _cut(held)
        baselines = objectives.baselines(evaluated)

        def evaluate(learner: Learner) -> dict[str, float]:
            losses = mean_losses(learner, evaluated, self.processes, runtime)
            return objectives.judged(losses, baselines) | self._error(learner, runtime)

        read = f"{len(train['points'])} points and {len(train['conditions'])} conditions"
        return Work(lambda _: [mine], evaluate, unit="points"), read

    def _error(self, learner: Learner, runtime: Runtime) -> dict[str, float]:
        """The distance from the reference in its own norm; nothing without one."""
        if self.reference is None:
            return {}
        wanted = self.reference.values
        error = field_plot.values(learner, self.reference.points, runtime).reshape(wanted.shape)
        return {"relative_error": float(np.linalg.norm(error - wanted) / np.linalg.norm(wanted))}

    def told(self, learner: Learner) -> list[str]:
        """What it will be judged by."""
        del learner
        return [] if self.reference is None else [f"judged by {self.reference.name}"]

    def finish(
        self, learner: Learner, metrics: Mapping[str, float], folder: RunFolder, runtime: Runtime
    ) -> list[str]:
        """The picture, where it was asked for; and the error."""
        lines = []
        if self.options.plot:
            drawn = field_plot.draw(learner, self.chosen, self.reference, runtime)
            atomic.write_bytes(folder.path / field_plot.NAME, drawn)
            lines.append(f"wrote {folder.path / field_plot.NAME}")
        if self.reference is not None:
            error = metrics["relative_error"]
            lines.append(f"relative L2 error {error:.2e} against {self.reference.name}")
        return lines


def _number(runtime: Runtime) -> type[np.floating[Any]]:
    return np.float64 if runtime.dtype == torch.float64 else np.float32


def _cut(arrays: Arrays) -> list[Arrays]:
    """One batch as several, so that processes can share them."""
    most = max(len(array) for array in arrays.values())
    return [
        {name: array[at : at + _EVALUATED] for name, array in arrays.items()}
        for at in range(0, most, _EVALUATED)
    ]
