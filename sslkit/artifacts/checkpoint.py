"""Model checkpoints: tensors, plain types and a manifest. Loading one executes nothing."""

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sslkit.artifacts import archive, learned, manifest
from sslkit.artifacts.learned import Learned
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic

#: The file inside a run's folder.
NAME = "checkpoint.pt"
# A changed byte can send the unpickler anywhere: each of these was seen.
_DAMAGE = (
    RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError, LookupError, TypeError,
    AttributeError,
)  # fmt: skip
_FIELDS: dict[str, Any] = {
    "manifest": str,
    "tensors": dict,
    "tokens": str | list,
    "counts": torch.Tensor,
}


@dataclass(frozen=True)
class Checkpoint:
    """What a later stage needs to rebuild a model without a single flag.

    Attributes:
        tensors: ``state_dict`` of each part by the part's name, ``encoder`` first of all.
        tokens: the vocabulary, or empty for domains without one.
        counts: how often each token stood in the corpus, [len(tokens)] int64.
        learned: labelled records that it, or a checkpoint it comes from, was fine-tuned on.
    """

    manifest: manifest.Manifest
    tensors: dict[str, dict[str, torch.Tensor]]
    tokens: tuple[str, ...]
    counts: torch.Tensor
    learned: Learned = field(default_factory=Learned)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; equal checkpoints give equal bytes."""
    write_tensors(
        path,
        {
            "manifest": checkpoint.manifest.to_json(),
            "tensors": checkpoint.tensors,
            "tokens": _packed(checkpoint.tokens),
            "counts": checkpoint.counts,
            **({"learned": checkpoint.learned.plain()} if checkpoint.learned else {}),
        },
    )


def load(path: Path) -> Checkpoint:
    """Read a checkpoint from a file, or from a run's folder.

    Raises:
        UsageError: there is none.
        DataError: not a checkpoint, damaged, or of an unknown format.
    """
    path = locate(path)
    held = read_tensors(path)
    for name, kind in _FIELDS.items():
        if not isinstance(held.get(name), kind):
            raise DataError(
                "this is not a checkpoint of sslkit", where=str(path), why=f"it lacks {name!r}"
            )
    made = manifest.from_json(held["manifest"], str(path))
    tokens = _unpacked(held["tokens"])
    origin = learned.of_checkpoint(held, made, str(path))
    counts, parts = held["counts"], held["tensors"]
    if counts.shape != (len(tokens),) or bool((counts < 0).any()):
        raise DataError(
            "the vocabulary of a checkpoint is damaged",
            where=str(path),
            why=f"{len(tokens)} tokens, and counts of shape {list(counts.shape)}",
        )
    check_parts(parts, path)
    return Checkpoint(made, parts, tokens, counts, origin)


def _packed(tokens: tuple[str, ...]) -> str | list[str]:
    """Tokens as a file holds them: one a line, or a list where a token is or has a line's end."""
    lines = "\n".join(tokens)
    return lines if _unpacked(lines) == tokens else list(tokens)


def _unpacked(tokens: str | list[Any]) -> tuple[str, ...]:
    if isinstance(tokens, str):
        return tuple(tokens.split("\n")) if tokens else ()
    return tuple(map(str, tokens))


def check_parts(parts: Any, path: Path) -> None:
    """Refuse what is not the ``state_dict`` of each part of a learner, by the part's name.

    Raises:
        DataError: it is something else, or a tensor claims more numbers than the file holds.
    """
    right = isinstance(parts, dict) and all(
        isinstance(name, str) and isinstance(part, dict) and all(map(_is_entry, part.items()))
        for name, part in parts.items()
    )
    if not right:
        raise DataError(
            "the tensors of a checkpoint are not as sslkit writes them",
            where=str(path),
            do="make it again",
        )


def _is_entry(entry: tuple[Any, Any]) -> bool:
    """Whether it is a name and a dense tensor that is whole."""
    name, value = entry
    return (
        isinstance(name, str)
        and isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.nbytes <= value.untyped_storage().nbytes()
    )


def locate(path: Path) -> Path:
    """``path``, or the checkpoint in it where it is a run's folder.

    Raises:
        UsageError: there is none.
    """
    found = path / NAME if path.is_dir() else path
    if not found.is_file():
        raise UsageError(
            f"there is no checkpoint {found}",
            do="run sslkit pretrain first, or name a checkpoint with --checkpoint",
        )
    return found


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
        held = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        # What torch says would advise to load it in a way that executes what it holds.
        raise DataError(
            "a checkpoint cannot be loaded",
            where=str(path),
            why="it is not as torch.save writes tensors and plain types; nothing was executed",
            do="use a checkpoint that sslkit wrote, or make it again",
        ) from error
    if not isinstance(held, dict):
        raise DataError(
            "this is not a checkpoint of sslkit",
            where=str(path),
            why=f"it holds one {type(held).__name__}",
        )
    return held
