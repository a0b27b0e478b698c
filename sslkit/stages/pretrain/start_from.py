"""pretrain --start-from: the first weights are those of another run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit.artifacts import checkpoint, outline
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.engine import optimisation
from sslkit.engine.learner import Learner
from sslkit.errors import UsageError
from sslkit.files import source
from sslkit.stages.pretrain.feeds import Feed
from sslkit.types import Spelling

_DO = "leave --start-from out, or choose what that run was made with (sslkit show says it)"


@dataclass(frozen=True)
class Start:
    """Where the first weights come from: a file and its hash, or nowhere."""

    parents: Mapping[str, str]

    def identity(self) -> dict[str, str]:
        """What of it decides the result."""
        return {"start_from": next(iter(self.parents.values()))} if self.parents else {}


def begin(path: Path | None, feed: Feed, learner: Learner) -> Start:
    """Give a learner the weights of a checkpoint, where one is named.

    Settings of the domain may differ, as viscosities do, and so may schedule and optimizer;
    objective, model and vocabulary not.

    Raises:
        UsageError: there is none, or it is of another kind; the message says in what.
        DataError: it is damaged.
    """
    if path is None:
        return Start({})
    path = outline.locate(path)
    held = checkpoint.load(path)
    if found := _strange(held, feed):
        raise UsageError(f"{path} is of another kind", why="; ".join(found), do=_DO)
    parts = {"encoder": learner.encoder, "head": learner.head}
    for name, part in parts.items():
        given = held.tensors.get(name, {})
        if unlike := _unlike(part.state_dict(), given):
            raise UsageError(
                f"the weights of {path} do not fit", why=f"{name}: {', '.join(unlike)}", do=_DO
            )
        part.load_state_dict(given)
    return Start({str(path): source.digest(path)})


def _strange(held: Checkpoint, feed: Feed) -> list[str]:
    """In what a checkpoint is of another kind, one phrase each; how it was trained is no part."""
    mine, theirs = (
        {kind: entry for kind, entry in plugins.items() if not optimisation.is_training(kind)}
        for plugins in (feed.chosen.entries(), held.manifest.plugins)
    )
    found = []
    for kind in sorted({*mine, *theirs}):
        one, other = mine.get(kind, {}), theirs.get(kind, {})
        if _version(one) != _version(other):
            found.append(f"its {kind} is {_version(other)}, here {_version(one)}")
        elif kind == "model" and (changed := _changed(other["settings"], one["settings"])):
            found.append(f"its {one['name']} has {changed}")
    here = feed.vocabulary
    if held.tokens != tuple(here.tokens) or not _alike(held.spelling, here.spelling):
        found.append("its vocabulary is another one")
    return found


def _alike(one: Spelling | None, other: Spelling | None) -> bool:
    """Whether both cut words alike."""
    if one is None or other is None:
        return one is other
    return (
        one.special == other.special
        and np.array_equal(one.merges, other.merges)
        and np.array_equal(one.scores, other.scores)
    )


def _version(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']} (version {entry['version']})" if entry else "none"


def _changed(held: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    names = sorted(n for n in {*held, *mine} if held.get(n) != mine.get(n))
    return ", ".join(f"{name} {held.get(name)}, not {mine.get(name)}" for name in names)


def _unlike(mine: Mapping[str, torch.Tensor], held: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of tensors that only one of them has, or that have other shapes."""
    both = {*mine, *held}
    return sorted(
        n for n in both if n not in mine or n not in held or mine[n].shape != held[n].shape
    )
