"""The schedule and the optimizers of a run, made and taken in turn."""

from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from torch import nn

from sslkit.contracts.optimizer import Course, Schedule
from sslkit.engine import optimizers
from sslkit.engine.optimizers import OptimizerGroup, Rates
from sslkit.optimizers import adamw
from sslkit.schedules import cosine

#: A plug-in's module and settings.
Plugin = tuple[ModuleType, Any]


@dataclass(frozen=True)
class Steering:
    """What sets the rate, and what moves the weights with it.

    Attributes:
        optimizers: one, or two: the second takes over after the share of the steps that its
            setting ``after`` says. A schedule guides the first, and the second as well where it
            follows one.
        passes: steps in which all of the data is read once; 1 where each step reads all.
    """

    schedule: Plugin = (cosine, cosine.Settings())
    optimizers: tuple[Plugin, ...] = field(default=((adamw, adamw.Settings()),))
    passes: float = 1.0

    def begins(self, steps: int) -> list[int]:
        """The step from which on each optimizer has its turn, from 0."""
        return [0, *(round(chosen.after * steps) for _, chosen in self.optimizers[1:])]

    def courses(self, course: Course) -> list[Course]:
        """What each optimizer is made for."""
        return [replace(course, begin=begin) for begin in self.begins(course.steps)]

    def schedule_for(self, course: Course) -> Schedule:
        """The schedule of a run.

        Raises:
            UsageError: it does not fit into so few steps.
        """
        module, settings = self.schedule
        last, _ = self.optimizers[-1]
        follows = getattr(last, "FOLLOWS", True) or len(self.optimizers) == 1
        guided = course.steps if follows else self.begins(course.steps)[-1]
        made: Schedule = module.Schedule(
            settings, replace(course, steps=guided, warmup=min(course.warmup, guided))
        )
        return made

    def optimizers_for(
        self, learner: nn.Module, rates: Rates, rate: float, decay: float, course: Course
    ) -> OptimizerGroup:
        """The optimizers of a run; see ``optimizers.of``."""
        made = [
            optimizers.of(learner, rates, rate, decay, plugin, turn)
            for plugin, turn in zip(self.optimizers, self.courses(course), strict=True)
        ]
        return OptimizerGroup(made, self.begins(course.steps))
