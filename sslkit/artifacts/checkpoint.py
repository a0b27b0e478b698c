"""Model checkpoints: tensors, plain types and a manifest. Loading one executes nothing."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit.artifacts import archive, manifest, outline
from sslkit.artifacts.learned import Learned
from sslkit.errors import DataError
from sslkit.files import atomic
from sslkit.types import Spelling

#: The file inside a run's folder.
NAME = outline.NAME


@dataclass(frozen=True)
class Checkpoint:
    """What a later stage needs to rebuild a model without a single flag.

    Attributes:
        tensors: ``state_dict`` of each part by the part's name, ``encoder`` first of all.
        tokens: the vocabulary, or empty for domains without one.
        counts: how often each token stood in the corpus, [len(tokens)] int64.
        learned: labelled records that it, or a checkpoint it comes from, was fine-tuned on.
        spelling: how words are spelled in the tokens, where those are pieces of words.
    """

    manifest: manifest.Manifest
    tensors: dict[str, dict[str, torch.Tensor]]
    tokens: tuple[str, ...]
    counts: torch.Tensor
    learned: Learned = field(default_factory=Learned)
    spelling: Spelling | None = None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; equal checkpoints give equal bytes."""
    write_tensors(
        path,
        {
            "manifest": checkpoint.manifest.to_json(),
            "tensors": checkpoint.tensors,
            "tokens": outline.packed(checkpoint.tokens),
            "counts": checkpoint.counts,
            **({"learned": _plain(checkpoint.learned)} if checkpoint.learned else {}),
            **({"spelling": _spelled(checkpoint.spelling)} if checkpoint.spelling else {}),
        },
    )


def load(path: Path) -> Checkpoint:
    """Read a checkpoint from a file, or from a run's folder.

    Raises:
        UsageError: there is none.
        DataError: not a checkpoint, damaged, or of an unknown format.
    """
    path = outline.locate(path)
    content = read_tensors(path)
    made, parts, tokens = outline.stated(content, path, is_whole)
    counts = content["counts"]
    if bool((counts < 0).any()):
        raise DataError(
            "the vocabulary of a checkpoint is damaged",
            where=str(path),
            why="a token was counted less than no time",
        )
    spelling = _spelling(content.get("spelling"), path)
    return Checkpoint(made, parts, tokens, counts, _learned(content, made, path), spelling)


def is_whole(value: Any) -> bool:
    """Whether it is a dense tensor, all of whose numbers are there."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.nbytes <= value.untyped_storage().nbytes()
    )


def _learned(content: Mapping[str, Any], made: manifest.Manifest, path: Path) -> Learned:
    """What a checkpoint learned from, from its fields.

    One that was fine-tuned before records were noted names its labelled files alone.

    Raises:
        DataError: the field is damaged.
    """
    entry = content.get("learned")
    if entry is None:
        files = [one.sha256 for one in made.inputs] if made.stage == "finetune" else []
        return Learned(files=frozenset(files))
    records = entry.get("records") if isinstance(entry, dict) else None
    if (
        not isinstance(records, torch.Tensor)
        or records.dtype != torch.int64
        or records.dim() != 1
        or not isinstance(entry.get("files"), str)
    ):
        raise DataError(
            "a checkpoint does not say what it was fine-tuned on",
            where=str(path),
            why="its field 'learned' is damaged",
            do="make it again",
        )
    return Learned(np.unique(records.numpy()), frozenset(entry["files"].split()))


def _plain(learned: Learned) -> dict[str, Any]:
    """The field that says what was learned from: a tensor and text."""
    return {
        "records": torch.from_numpy(learned.records.copy()),
        "files": " ".join(sorted(learned.files)),
    }


def _spelling(entry: Any, path: Path) -> Spelling | None:
    """How words are spelled in the tokens, from the field that says it.

    Raises:
        DataError: the field is damaged.
    """
    if entry is None:
        return None
    content: dict[str, Any] = entry if isinstance(entry, dict) else {}
    merges: Any = content.get("merges")
    scores: Any = content.get("scores")
    special = content.get("special")
    if (
        not (is_whole(merges) and is_whole(scores) and type(special) is int and special >= 0)
        or (merges.dtype, scores.dtype) != (torch.int64, torch.float64)
        or (merges.dim(), scores.dim(), merges.shape[-1]) != (2, 1, 2)
    ):
        raise DataError(
            "a checkpoint does not say what its pieces of words are",
            where=str(path),
            why="its field 'spelling' is damaged",
            do="make it again",
        )
    return Spelling(special, merges.numpy(), scores.numpy())


def _spelled(spelling: Spelling) -> dict[str, Any]:
    """The field that says how words are spelled: tensors and a number."""
    merges, scores = torch.from_numpy(spelling.merges), torch.from_numpy(spelling.scores)
    return {"special": spelling.special, "merges": merges, "scores": scores}


def write_tensors(path: Path, values: dict[str, Any]) -> None:
    """``torch.save`` to an open file: given a path, it would put the name into the bytes.

    Raises:
        ResourceError: it cannot be written.
    """
    with atomic.replacing(path) as temporary, _Target(temporary, "wb") as target:
        try:
            with io.BufferedWriter(target) as stream:
                torch.save(values, stream)
        except RuntimeError:
            if target.error is not None:
                raise target.error from None
            raise


class _Target(io.FileIO):
    """A file that remembers why it could not be written: torch tells only that it could not."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes, or as many of them as fit."""
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


def read_tensors(path: Path) -> dict[str, Any]:
    """Tensors and plain types of a file; anything else in it is refused, not executed.

    Raises:
        DataError: damaged, or holding other objects.
    """
    archive.check(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except outline.DAMAGE as error:
        raise outline.unreadable(path) from error
    if not isinstance(content, dict):
        raise outline.not_ours(path, f"it holds one {type(content).__name__}")
    return content
